//! A request as it goes over the wire: HTTP/1.1.

use crate::model::Headers;
use bytes::Bytes;
use std::io::IoSlice;
use url::{Position, Url};

/// The bytes of a request.
pub struct Outgoing {
    head: Vec<u8>,
    body: Bytes,
}

impl Outgoing {
    /// A request to a URL's host for a target, which is path and query as they are written, with `Host` and
    /// `Content-Length`.
    pub fn new(method: &str, url: &Url, target: &str, headers: &Headers, body: Bytes) -> Self {
        let mut head = Vec::with_capacity(1024);
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| head.extend_from_slice(part));
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let length = body.len().to_string();
        put(&[method.as_bytes(), b" ", target.as_bytes(), b" HTTP/1.1\r\n"]);
        put(&[b"Host: ", host.as_bytes(), b"\r\n"]);
        for (name, value) in headers.iter() {
            put(&[name.as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
        put(&[b"Content-Length: ", length.as_bytes(), b"\r\n\r\n"]);
        Self { head, body }
    }

    pub fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// What is left to send after so many bytes.
    pub fn rest(&self, sent: usize) -> [IoSlice<'_>; 2] {
        let of_head = sent.min(self.head.len());
        let of_body = (sent - of_head).min(self.body.len());
        [
            IoSlice::new(&self.head[of_head..]),
            IoSlice::new(&self.body[of_body..]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn a_request_is_written_as_it_is_documented() {
        let mut headers = Headers::default();
        headers.set("Content-Type", HeaderValue::from_static("text/plain"));
        headers.set("X-TEAM-id", HeaderValue::from_static("a"));
        headers.set("webhook-id", HeaderValue::from_static("1"));
        headers.set("x-team-ID", HeaderValue::from_static("b"));
        assert!(headers.has("WEBHOOK-ID") && !headers.has("webhook-i"));
        let url = Url::parse("https://user:secret@example.com:8443/a/../b?c='%2e#d").unwrap();
        let outgoing = Outgoing::new(
            "PUT",
            &url,
            "/a/../b?c='%2e",
            &headers,
            Bytes::from_static(b"hello"),
        );
        let written: Vec<u8> = outgoing
            .rest(0)
            .iter()
            .flat_map(|part| part.to_vec())
            .collect();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "PUT /a/../b?c='%2e HTTP/1.1\r\nHost: example.com:8443\r\nContent-Type: text/plain\r\nx-team-ID: b\r\n\
             webhook-id: 1\r\nContent-Length: 5\r\n\r\nhello"
        );
        let rest = outgoing.rest(outgoing.len() - 3);
        assert_eq!((rest[0].len(), &*rest[1]), (0, &b"llo"[..]));
        for (url, host) in [
            ("http://example.com:80", "example.com"),
            ("https://example.com:443/", "example.com"),
            ("http://[::1]:81", "[::1]:81"),
        ] {
            let url = Url::parse(url).unwrap();
            let outgoing = Outgoing::new("POST", &url, "/", &Headers::default(), Bytes::new());
            let head = String::from_utf8(outgoing.head).unwrap();
            assert!(
                head.starts_with(&format!("POST / HTTP/1.1\r\nHost: {host}\r\n")),
                "{head}"
            );
        }
    }
}
