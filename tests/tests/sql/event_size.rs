//! How large an event may be: what counts is the text, which may be ten thousand times as large as what is stored.

use serde_json::json;

use crate::support::claim::Claim;
use crate::support::world::{TENANT, database, subscribe};

/// So many numbers of 131,072 digits each, which are stored in a dozen bytes.
fn digits(numbers: usize) -> String {
    format!(
        "('[' || repeat('1e131071,', {}) || '1e131071]')::jsonb",
        numbers - 1
    )
}

fn nested(depth: usize) -> String {
    format!("(repeat('[', {depth}) || repeat(']', {depth}))::jsonb")
}

fn publish(data: &str) -> String {
    format!("select webhooks.publish_event('{TENANT}', 'job.created', event_data => {data})")
}

/// Values of all kinds, made by the server itself.
#[tokio::test]
async fn sizes_are_those_of_the_text() {
    let (_db, session) = database("text_size").await;
    session
        .run(
            r#"select setseed(0.5);
               create temporary table samples (value jsonb);
               insert into samples (value) values
                   ('null'), ('true'), ('false'), ('0'), ('-0'), ('0.0'), ('1'), ('-1'), ('9999'), ('10000'), ('-12345678.90'),
                   ('0.0001'), ('-0.00001'), ('1e-400'), ('1e400'), ('-1e16000'), ('123e131069'), ('1e-16383'), ('100000000'), ('0.10'), ('7e3'),
                   ('1234567890123456789012345678901234567890.123456789'),
                   ('""'), ('"a"'), ('"\"\\/\b\f\n\r\t\u0001\u001f\u007f é 😀"'), ('[]'), ('{}'), ('[[]]'), ('[{}]'), ('{"": {}}'),
                   ('[1, "2", [3.50], {"four": [null, true, false]}]'), ('{"a\"b": [1], "ccc": {"d": -0.5, "é": "\t"}}');
               insert into samples (value)
               select to_jsonb((random() - 0.5)::numeric * (10::numeric ^ (n % 80 - 40))) from generate_series(1, 2000) n;
               insert into samples (value)
               select to_jsonb(round(((random() - 0.5) * 1e6)::numeric, n % 12)) from generate_series(1, 500) n;
               insert into samples (value)
               select to_jsonb(string_agg(chr((random() * 300)::integer + 1), '')) from generate_series(1, 3000) n group by n % 300;
               -- Longer than what one entry in 32 has an offset for, and stored compressed or elsewhere.
               insert into samples (value)
               select jsonb_agg(s.value) from samples s cross join generate_series(1, 500) n group by n % 20, n / 100;
               insert into samples (value)
               select jsonb_object_agg(md5(n::text) || m, s.value)
               from (select value, row_number() over () as n from samples) s cross join generate_series(1, 10) m
               where n < 400 group by n % 7;
               insert into samples (value) select jsonb_build_array(s.value, jsonb_build_object('x', s.value)) from samples s;"#,
        )
        .await;
    let wrong = "select count(*) > 5000, count(*) filter (where webhooks_private.json_text_size(value, 1000000000) is distinct from bytes),
            count(*) filter (where webhooks_private.json_text_size(value, bytes) is null),
            count(*) filter (where webhooks_private.json_text_size(value, bytes - 1) is not null),
            max(bytes) > 1000000
        from (select value, octet_length(value::text) as bytes from samples offset 0) s";
    assert_eq!(session.text(wrong).await, "t|0|0|0|t");
    let nulls = "select webhooks_private.json_text_size(null, 10), webhooks_private.json_text_size('[]', null), webhooks_private.json_fits('[]', null, 2), webhooks_private.json_fits('[]', '1.5', 2)";
    assert_eq!(session.text(nulls).await, "0|null|t|f");
}

/// However it comes: before filters, schemas and templates see it, with an error that shows none of it.
#[tokio::test]
async fn an_event_that_is_too_large_is_refused_before_anything_reads_it() {
    let (db, session) = database("event_size").await;
    for columns in [
        json!({"event_filters": {"event_data": {"[0]": 1}}}),
        json!({"event_filters": {"jsonpath": "$[*] ? (@ == 1)"}}),
    ] {
        subscribe(&db, columns).await;
    }
    let insert = |data: &str, resource: &str| {
        format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, resource_data)
             select '{TENANT}', 'job.created', 'job', 'x', v.data, v.resource
             from (values ('{{}}'::jsonb, null::jsonb), ({data}, {resource})) v (data, resource)"
        )
    };
    let large = [
        // 1 GiB, 131 MB, 17 MB.
        digits(8192),
        digits(1000),
        digits(129),
        // A byte of this is six.
        r"jsonb_build_object('text', repeat(E'\x01', 2800000))".to_owned(),
    ];
    let mut refused = Vec::new();
    for data in &large {
        refused.push(("event_data", publish(data)));
        refused.push(("event_data", insert(data, "null")));
        refused.push(("resource_data", insert("'{}'", data)));
    }
    session.run("set statement_timeout = '5s'").await;
    for (column, statement) in refused {
        let refusal = session.refused(&statement).await;
        assert_eq!(refusal.code, "54000", "{statement}");
        assert_eq!(
            refusal.message,
            format!("{column} is larger than 16777216 bytes as text")
        );
        assert!(refusal.hint.contains("max_event_data_bytes"));
        assert!(!refusal.everything.contains("000000"), "shows the data");
        assert!(refusal.everything.contains(column));
    }
    for (depth, fits) in [(512, true), (513, false), (5000, false)] {
        let statement = publish(&nested(depth));
        if fits {
            session.run(&statement).await;
            continue;
        }
        let refusal = session.refused(&statement).await;
        assert_eq!(refusal.code, "54000");
        assert_eq!(
            refusal.message,
            "event_data is nested more than 512 levels deep"
        );
        assert!(refusal.hint.contains("flatter"));
    }
    // Nothing of all that is there, but the one that fits.
    let left = "select (select count(*) from webhooks.event_logs), (select count(*) from webhooks.delivery_queue)";
    assert_eq!(session.text(left).await, "1|0");
}

#[tokio::test]
async fn the_limit_is_a_setting() {
    let (_db, session) = database("event_size_setting").await;
    let text = |bytes: usize| format!("to_jsonb(repeat('x', {}))", bytes - 2);
    for (setting, most) in [
        ("", 16_777_216),
        (
            "select webhooks.set_setting('max_event_data_bytes', 100000)",
            100_000,
        ),
        (
            "select webhooks.set_setting('max_event_data_bytes', 65536)",
            65_536,
        ),
        (
            "select webhooks.set_setting('max_event_data_bytes', 20000000)",
            20_000_000,
        ),
    ] {
        session.run(setting).await;
        session.run(&publish(&text(most))).await;
        let refusal = session.refused(&publish(&text(most + 1))).await;
        assert_eq!(
            refusal.message,
            format!("event_data is larger than {most} bytes as text")
        );
    }
    for value in [65_535, 67_108_865] {
        let refusal = session
            .refused(&format!(
                "select webhooks.set_setting('max_event_data_bytes', {value})"
            ))
            .await;
        assert!(refusal.hint.contains("65536 to 67108864 bytes"));
    }
}

/// A schema is asked after the size, and a watched table and a snapshot of a resource obey it, too.
#[tokio::test]
async fn other_ways_to_publish_obey_it() {
    let (_db, session) = database("event_size_ways").await;
    session
        .run(&format!(
            "select webhooks.register_event_type('big.made', schema => '{{\"type\": \"string\"}}');
             create table things (id uuid primary key, tenant_id uuid, n jsonb);
             insert into things values ('{TENANT}', '{TENANT}', {});
             select webhooks.register_resource('thing', 'things');
             set statement_timeout = '60s'",
            digits(1000)
        ))
        .await;
    for (column, statement) in [
        (
            "event_data",
            publish(&digits(1000)).replace("job.created", "big.made"),
        ),
        (
            "resource_data",
            format!(
                "select webhooks.publish_event('{TENANT}', 'job.created', resource_type => 'thing', resource_id => '{TENANT}')"
            ),
        ),
        (
            "event_data",
            "select webhooks.watch_table('things', on_update => 'job.created'); update things set n = n || '[1]'"
                .to_owned(),
        ),
    ] {
        let refusal = session.refused(&statement).await;
        assert_eq!(refusal.code, "54000", "{statement}: {refusal:?}");
        assert!(
            refusal.message.starts_with(&format!("{column} is larger than")),
            "{refusal:?}"
        );
    }
}

/// A larger event that got into the table otherwise is claimed without its data and with the reason; others as ever.
#[tokio::test]
async fn a_claim_outlives_what_it_cant_read() {
    let (db, session) = database("claim_content").await;
    subscribe(&db, json!({"id": "00000000-0000-7000-8000-00000000001a"})).await;
    let publish = format!(
        "select webhooks.publish_event('{TENANT}', 'job.created', event_name => n::text) from generate_series(1, 5) n"
    );
    session.run(&publish).await;
    let spoil = |name: &str, column: &str, data: &str| {
        format!("update webhooks.event_logs set {column} = {data} where event_name = '{name}'")
    };
    session.run(&spoil("1", "event_data", &digits(1000))).await;
    session
        .run(&spoil("3", "resource_data", &digits(8192)))
        .await;
    let claim = |is_careful: bool| {
        format!(
            "select event_name, event_data, problem from {} order by event_name",
            Claim::of_shards(&[10]).with("is_careful", is_careful)
        )
    };
    let large = "its data is larger than 64 MiB as text, or damaged";
    let expected = [
        format!("1|null|{large}"),
        "2|{}|null".to_owned(),
        format!("3|null|{large}"),
        "4|{}|null".to_owned(),
        "5|{}|null".to_owned(),
    ];
    session.run("set statement_timeout = '5s'").await;
    assert_eq!(session.lines(&claim(false)).await, expected);
    assert_eq!(session.lines(&claim(true)).await, expected);

    // Data that can't be read fails the claim, and a careful claim tells it from the others.
    session
        .run("create cast (bytea as jsonb) without function")
        .await;
    let damage = r"'\x00000000'::bytea::jsonb";
    session.run(&spoil("4", "event_data", damage)).await;
    assert_eq!(session.refused(&claim(false)).await.code, "XX000");
    let lines = session.lines(&claim(true)).await;
    assert_eq!(lines[..3], expected[..3]);
    assert_eq!(lines[3], expected[4]);
    assert_eq!(
        lines[4],
        "null|null|its data can't be read (SQLSTATE XX000)"
    );
}

/// The text is what costs: small as it is stored, only the first one fits.
#[tokio::test]
async fn claims_are_priced_by_the_text() {
    let (db, session) = database("claim_price").await;
    subscribe(&db, json!({"id": "00000000-0000-7000-8000-00000000001a"})).await;
    for _ in 0..3 {
        session.run(&publish(&digits(80))).await;
    }
    let claim = format!(
        "select over_budget, octet_length(event_data) > 10000000 from {}",
        Claim::of_shards(&[10])
    );
    assert_eq!(session.lines(&claim).await, ["f|t", "t|null", "t|null"]);
}
