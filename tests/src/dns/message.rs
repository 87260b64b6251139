//! As much of RFC 1035 as a test needs.

use std::net::IpAddr;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const HEADER: usize = 12;

/// A query with one question.
#[derive(Debug)]
pub(super) struct Question {
    id: [u8; 2],
    name: String,
    kind: u16,
    /// As it came: name, type and class.
    bytes: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Record {
    kind: u16,
    bytes: Vec<u8>,
}

impl Question {
    pub(super) fn read(query: &[u8]) -> Option<Self> {
        let mut labels = Vec::new();
        let mut at = HEADER;
        loop {
            let length = usize::from(*query.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(query.get(at..at + length)?).into_owned());
            at += length;
        }
        let kind = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
        Some(Self {
            id: query.get(..2)?.try_into().ok()?,
            name: labels.join("."),
            kind,
            bytes: query.get(HEADER..at + 4)?.to_vec(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The records that are of the type that was asked for, and aliases.
    pub(super) fn answered(&self, code: u8, records: &[Record]) -> Vec<u8> {
        let wanted = |record: &&Record| record.kind == self.kind || record.kind == CNAME;
        let records: Vec<_> = records.iter().filter(wanted).collect();
        let mut message = self.begin(0x8180 | u16::from(code), records.len());
        records
            .iter()
            .for_each(|record| message.extend(&record.bytes));
        message
    }

    pub(super) fn truncated(&self) -> Vec<u8> {
        self.begin(0x8380, 0)
    }

    fn begin(&self, flags: u16, answers: usize) -> Vec<u8> {
        let mut message = self.id.to_vec();
        let answers = u16::try_from(answers).unwrap_or(0);
        for word in [flags, 1, answers, 0, 0] {
            message.extend(word.to_be_bytes());
        }
        message.extend(&self.bytes);
        message
    }
}

impl Record {
    pub(super) fn address(name: &str, ttl: u32, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::new(name, A, ttl, &address.octets()),
            IpAddr::V6(address) => Self::new(name, AAAA, ttl, &address.octets()),
        }
    }

    pub(super) fn alias(name: &str, ttl: u32, target: &str) -> Self {
        Self::new(name, CNAME, ttl, &encoded(target))
    }

    fn new(name: &str, kind: u16, ttl: u32, data: &[u8]) -> Self {
        let mut bytes = encoded(name);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(1_u16.to_be_bytes());
        bytes.extend(ttl.to_be_bytes());
        bytes.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
        bytes.extend(data);
        Self { kind, bytes }
    }
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
