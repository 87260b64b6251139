use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn envelope(data: &Value) -> String {
    json!({
        "id": "e", "event": {"type": "document.processed", "timestamp": "2026-11-24T08:00:00+00:00"},
        "tenant_id": "t", "data": data, "resource": {"type": null, "id": null},
    })
    .to_string()
}

fn render_as(
    content_type: Option<&str>,
    template: &str,
    data: &Value,
) -> Result<String, TemplateError> {
    Template::compile(template, content_type)?.render(&envelope(data), 100_000)
}

fn render(template: &str, data: &Value) -> Result<String, TemplateError> {
    render_as(None, template, data)
}

#[test]
fn a_test_is_known_as_one() {
    let template = Template::compile(r#"{"test": {{ test }}}"#, None).unwrap();
    let envelope = envelope(&json!({}));
    assert_eq!(
        template.render(&envelope, 100).unwrap(),
        r#"{"test": false}"#
    );
    let mut test: Value = serde_json::from_str(&envelope).unwrap();
    test["test"] = json!(true);
    let rendered = template.render(&test.to_string(), 100).unwrap();
    assert_eq!(rendered, r#"{"test": true}"#);
}

#[test]
fn values_are_written_by_where_they_go() {
    let data = json!({
        "text": "say \"hi\"\\\n\u{1}✓", "whole": 12_345_678_901_234_567_890_i128, "fraction": 1.5, "none": null, "yes": true,
        "list": [1, "a\"b"], "map": {"k\"": [null]},
    });
    for (template, expected) in [
        (r#"{{ data.text }}"#, r#""say \"hi\"\\\n\u0001✓""#),
        (r#"["a {{ data.text }}"]"#, r#"["a say \"hi\"\\\n\u0001✓"]"#),
        (
            r#"[{{ data.whole }}, "{{ data.whole }}", {{ data.fraction * 2 }}]"#,
            r#"[12345678901234567890, "12345678901234567890", 3.0]"#,
        ),
        (r#"[{{ data.none }}, "{{ data.none }}"]"#, r#"[null, ""]"#),
        (
            r#"[{{ data.yes }}, "{{ not data.yes }}"]"#,
            r#"[true, "false"]"#,
        ),
        (
            r#"[{{ data.list }}, "{{ data.list }}"]"#,
            r#"[[1,"a\"b"], "[1,\"a\\\"b\"]"]"#,
        ),
        (r#"{{ data.map }}"#, r#"{"k\"":[null]}"#),
        (
            r#"[{{ data.text | tojson }}, "{{ data.map | tojson }}"]"#,
            r#"["say \"hi\"\\\n\u0001✓", "{\"k\\\"\":[null]}"]"#,
        ),
        (
            r#"{"a\"{{ data.text }}": "\\{{ data.yes }}"}"#,
            r#"{"a\"say \"hi\"\\\n\u0001✓": "\\true"}"#,
        ),
        // Captured, marked as safe, told not to be escaped: escaped all the same.
        (
            r#"{% set x %}<{{ data.text }}>{% endset %}["{{ x }}", {{ x }}]"#,
            r#"["<say \"hi\"\\\n\u0001✓>", "<say \"hi\"\\\n\u0001✓>"]"#,
        ),
        (
            r#"["{{ data.text | safe }}"{% autoescape false %}, "{{ data.text }}"{% endautoescape %}]"#,
            r#"["say \"hi\"\\\n\u0001✓", "say \"hi\"\\\n\u0001✓"]"#,
        ),
        (
            r#"["{% for x in data.list %}{{ x }}{{ ", " if not loop.last }}{% endfor %}", {{ data.list | length }}]"#,
            r#"["1, a\"b", 2]"#,
        ),
        (
            r#"["{{ data.absent | default("-") }}{% if data.absent is defined %}!{% endif %}{{ context.user_id }}{{ resource.data }}"]"#,
            r#"["-"]"#,
        ),
    ] {
        assert_eq!(
            render(template, &data).as_deref(),
            Ok(expected),
            "{template}"
        );
    }
    let huge: Value =
        serde_json::from_str(r#"{"n": 1e999, "m": 340282366920938463463374607431768211456000}"#)
            .unwrap();
    assert_eq!(
        render("[{{ data.n }}, {{ data.m }}]", &huge).unwrap(),
        "[1e+999, 340282366920938463463374607431768211456000]"
    );
}

fn with_data(content_type: Option<&str>, template: &str, data: &str) -> String {
    let envelope = format!("{{\"id\": \"e\", \"data\": {data}}}");
    let template = Template::compile(template, content_type).unwrap();
    template
        .render(&envelope, 100_000)
        .unwrap_or_else(|error| panic!("{error:?}"))
}

/// PostgreSQL's digits, wherever a number is printed; doubles where it is calculated with.
#[test]
fn numbers_print_as_they_are_and_calculate_as_doubles() {
    let tiny = format!("0.{}1", "0".repeat(399));
    let data = format!(
        "{{\"a\": 19.90, \"b\": 19.9, \"big\": 12345678901234567.89, \"near\": 12345678901234567.91, \"tiny\": {tiny}, \"zero\": 0.00,
          \"n\": 3, \"list\": [2.50, 10, 2.4], \"lines\": [{{\"p\": 2.50, \"q\": 2}}, {{\"p\": 1.10, \"q\": 1}}]}}"
    );
    let expected_tiny = format!("[{tiny}]");
    for (template, expected) in [
        (
            "[{{ data.a }}, {{ data.b }}, {{ data.big }}, {{ data.near }}]",
            "[19.90, 19.9, 12345678901234567.89, 12345678901234567.91]",
        ),
        ("[{{ data.tiny }}]", expected_tiny.as_str()),
        (
            r#"["{{ data.a }} {{ data.a ~ '!' }} {{ data.a | string }} {{ data.list | join('/') }}"]"#,
            r#"["19.90 19.90! 19.90 2.50/10/2.4"]"#,
        ),
        (
            "[{{ data.lines }}, {{ data.list | tojson }}]",
            r#"[[{"p":2.50,"q":2},{"p":1.10,"q":1}], [2.50,10,2.4]]"#,
        ),
        (
            "{% set x = data.a %}[{{ x }}{% for l in data.lines %}, {{ l.p }}{% endfor %}]",
            "[19.90, 2.50, 1.10]",
        ),
        (
            "[{{ data.a * 2 }}, {{ 2*data.a }}, {{ -data.a }}, {{ data.a - data.b }}, {{ data.n % 2 }}, {{ data.a // 1 }}]",
            "[39.8, 39.8, -19.9, 0.0, 1, 19.0]",
        ),
        (
            "[{{ data.a == 19.9 }}, {{ data.a == data.b }}, {{ data.a > 19 }}, {{ data.big > data.a }}, {{ data.a < data.n }}, {{ 19.90 in [data.a] }}]",
            "[true, true, true, true, false, true]",
        ),
        (
            "[{{ 1 if data.zero else 2 }}, {{ 1 if data.tiny else 2 }}, {{ data.a is number }}, {{ data.a is float }}]",
            "[2, 1, true, true]",
        ),
        (
            "[{{ data.a | round }}, {{ data.a | int }}, {{ data.a | float }}, {{ data.zero | abs }}, {{ '%.3f' | format(data.a) }}]",
            r#"[20.0, 19, 19.9, 0.0, "19.900"]"#,
        ),
        (
            "[{{ data.list | sum }}, {{ data.lines | sum(attribute='p') }}]",
            "[14.9, 3.6]",
        ),
        (
            "[{{ data.list | max }}, {{ data.list | min }}, {{ data.list | sort }}, {{ data.list | sort(reverse=true) }}]",
            "[10, 2.4, [2.4,2.50,10], [10,2.50,2.4]]",
        ),
        (
            "{{ data.lines | sort(attribute='p') | map(attribute='p') | list }}",
            "[1.10,2.50]",
        ),
        (
            "{{ data.lines | selectattr('p', 'gt', 2) | list }}",
            r#"[{"p":2.50,"q":2}]"#,
        ),
        (
            "{% if data.lines[0].p * data.lines[0].q >= 5 %}[{{ (data.lines[0].p * data.lines[0].q) | round(2) }}]{% endif %}",
            "[5.0]",
        ),
    ] {
        assert_eq!(with_data(None, template, &data), expected, "{template}");
        let text = with_data(Some("text/plain"), template, &data);
        if !template.contains(['"', '\''])
            && !expected.contains("true")
            && !expected.contains("[[")
            && !expected.contains("{")
        {
            assert_eq!(
                text.replace(' ', ""),
                expected.replace(' ', ""),
                "{template}"
            );
        }
    }
    assert_eq!(
        with_data(Some("application/xml"), "<a>{{ data.a }}</a>", &data),
        "<a>19.90</a>"
    );
    let error = render(
        "[{{ data.n + 1 }}]",
        &serde_json::from_str(r#"{"n": 1e999}"#).unwrap(),
    );
    assert!(
        matches!(error, Err(TemplateError::Rendering { .. })),
        "{error:?}"
    );
}

#[test]
fn an_event_as_deep_as_can_be_published_is_printed() {
    let work = || {
        let deep = format!("{}1{}", "[".repeat(512), "]".repeat(512));
        let objects = format!("{}1{}", "{\"a\":".repeat(512), "}".repeat(512));
        for data in [deep, objects] {
            assert_eq!(with_data(None, "{{ data }}", &data), data);
            assert_eq!(
                with_data(
                    None,
                    "[{{ data == data }}, {{ data | sum if 0 else 1 }}]",
                    &data
                ),
                "[true, 1]"
            );
            let printed = with_data(Some("text/plain"), "{{ data }}", &data);
            assert!(printed.contains('1'), "{printed}");
        }
    };
    // A sidecar's threads have twice as much.
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(work);
    thread.unwrap().join().unwrap();
}

#[test]
fn private_names_of_serde_json_are_keys_for_templates() {
    let data = r#"{"a": {"$serde_json::private::Number": "12"}, "$serde_json::private::RawValue": "{\"b\": 1}"}"#;
    let printed = with_data(None, "{{ data }}", data);
    assert_eq!(
        printed,
        r#"{"$serde_json::private::RawValue":"{\"b\": 1}","a":{"$serde_json::private::Number":"12"}}"#
    );
    let printed = with_data(
        None,
        "[{{ data.b is defined }}, {{ data.a is number }}]",
        data,
    );
    assert_eq!(printed, "[false, false]");
}

#[test]
fn xml_has_no_characters_that_it_can_t_have() {
    let data = "{\"t\": \"a\\u0001\\u000b\\n\\t\\uffff<\"}";
    for content_type in [
        "application/xml",
        "text/xml; charset=utf-8",
        "application/soap+xml",
    ] {
        let body = with_data(
            Some(content_type),
            "<t>{{ data.t }}{{ data.t | safe }}</t>",
            data,
        );
        assert_eq!(
            body, "<t>a\u{fffd}\u{fffd}\n\t\u{fffd}&lt;a\u{fffd}\u{fffd}\n\t\u{fffd}<</t>",
            "{content_type}"
        );
    }
    assert_eq!(
        with_data(Some("text/plain"), "{{ data.t }}", data),
        "a\u{1}\u{b}\n\t\u{ffff}<"
    );
}

#[test]
fn other_bodies_are_escaped_as_they_need() {
    let data = json!({"text": "a<b> & \"c\""});
    let template = "<t>{{ data.text }}</t>";
    for (content_type, expected) in [
        ("application/xml", "<t>a&lt;b&gt; &amp; &quot;c&quot;</t>"),
        (
            "text/html; charset=utf-8",
            "<t>a&lt;b&gt; &amp; &quot;c&quot;</t>",
        ),
        ("text/plain", "<t>a<b> & \"c\"</t>"),
    ] {
        let body = render_as(Some(content_type), template, &data).unwrap();
        assert_eq!(body, expected, "{content_type}");
    }
    let form = "application/x-www-form-urlencoded";
    assert_eq!(
        render_as(Some(form), "text={{ data.text | urlencode }}", &data).unwrap(),
        "text=a%3Cb%3E%20%26%20%22c%22"
    );
    let card = "application/vnd.card+json; charset=utf-8";
    assert_eq!(
        Template::compile("{}", Some(card)).unwrap().content_type(),
        card
    );
    assert!(matches!(
        render_as(Some(card), "{", &data),
        Err(TemplateError::NotJson { .. })
    ));
    for none in [
        "",
        "json",
        "a/b/c",
        "text/plain\r\nx: y",
        "text/",
        "té/x",
        " text/plain",
    ] {
        let error = Template::compile("{}", Some(none)).unwrap_err();
        assert!(
            matches!(error, TemplateError::ContentType(_)),
            "{none}: {error}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_without_values() {
    let data = json!({"secret": "hush", "list": ["hush"]});
    for (template, message) in [
        ("{\n\"a\": {{ data.title }}}", "line 2: undefined value"),
        (
            "\n\n{{ dtaa.title }}",
            "line 3: undefined value: there is no variable dtaa",
        ),
        ("{% if data.title %}{% endif %}", "line 1: undefined value"),
        ("{\n{% if %}", "line 2: syntax error: "),
        ("{{ data.secret", "line 1: syntax error: "),
        ("{{ data.secret + data.list }}", "line 1: invalid operation"),
        ("{{ data.secret | no_such }}", "line 1: unknown filter: "),
        ("{{ data.secret() }}", "line 1: "),
        ("{% include 'x' %}", "line 1: syntax error: "),
        ("{% macro x() %}{% endmacro %}", "line 1: syntax error: "),
        ("{% extends 'x' %}", "line 1: syntax error: "),
        ("{{ namespace() }}", "line 1: unknown function: "),
        ("{{ debug() }}", "line 1: unknown function: "),
        (
            "{\n\"a\": {{ data.secret }}",
            "the result is no JSON at line 2, column ",
        ),
        (
            "{\"a\": x{{ data.secret }}}",
            "the result is no JSON at line 1, column 7: expected value",
        ),
        ("", "the result is no JSON at line 1, column 1: EOF"),
        (
            "{} {}",
            "the result is no JSON at line 1, column 4: trailing characters",
        ),
    ] {
        let error = render(template, &data).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(message), "{template}: {text}");
        assert!(!text.contains("hush"), "{template}: {text}");
        assert!(!error.hint().is_empty());
    }
    let error = Template::compile(&" ".repeat(MAX_TEMPLATE_BYTES + 1), None).unwrap_err();
    assert_eq!(error.to_string(), "16385 bytes are more than 16384");
    let deep = format!("{{\"data\": {}1{}}}", "[".repeat(600), "]".repeat(600));
    let template = Template::compile("1", None).unwrap();
    assert!(matches!(
        template.render(&deep, 100),
        Err(TemplateError::Event(_))
    ));
    assert_eq!(
        render_as(Some("text/plain"), "{{ \"a\\x00b\" }}", &data).unwrap_err(),
        TemplateError::Nul
    );
}

fn with_secret(
    content_type: Option<&str>,
    template: &str,
    secret: &str,
) -> Result<String, TemplateError> {
    let secrets = Secrets::parse(&json!({"token": secret, "unused": "u"})).unwrap();
    let template = Template::compile(template, content_type)?.with_secrets(secrets)?;
    assert!(!format!("{template:?}").contains(secret), "{template:?}");
    template.render(&envelope(&json!({"a": "b"})), 100_000)
}

#[test]
fn a_secret_is_printed_as_text_is_and_shows_as_stars_without() {
    let secret = "s3cr3t \"\\\n<&/é";
    let form = "application/x-www-form-urlencoded";
    for (content_type, template, with, without) in [
        (
            None,
            r#"{"a": "Bearer {{ secrets.token }}", "b": {{- secrets.token -}} }"#,
            r#"{"a": "Bearer s3cr3t \"\\\n<&/é", "b":"s3cr3t \"\\\n<&/é"}"#,
            r#"{"a": "Bearer ***", "b":"***"}"#,
        ),
        (
            None,
            r#"{% if data.a == "b" %}{% for x in [1] %}{{ secrets.token }}{% endfor %}{% endif %}"#,
            r#""s3cr3t \"\\\n<&/é""#,
            r#""***""#,
        ),
        (
            Some("text/xml"),
            "<t>{{ secrets . token }}</t>",
            "<t>s3cr3t &quot;\\\n&lt;&amp;&#x2f;é</t>",
            "<t>***</t>",
        ),
        (Some("text/plain"), "{{ secrets.token }}", secret, "***"),
        (
            Some(form),
            "t={{ secrets.token | urlencode }}&u={{ 'a b' | urlencode }}",
            "t=s3cr3t%20%22%5C%0A%3C%26/%C3%A9&u=a%20b",
            "t=%2A%2A%2A&u=a%20b",
        ),
        // What is called so elsewhere is another thing.
        (
            None,
            r#"["secrets.x", {{ data.secrets | default("secrets.y") }}{# {{ secrets | x }} #}]"#,
            r#"["secrets.x", "secrets.y"]"#,
            r#"["secrets.x", "secrets.y"]"#,
        ),
    ] {
        let sent = with_secret(content_type, template, secret);
        assert_eq!(sent.as_deref(), Ok(with), "{template}");
        let shown = render_as(content_type, template, &json!({"a": "b"}));
        assert_eq!(shown.as_deref(), Ok(without), "{template}");
    }
}

#[test]
fn nothing_else_can_be_done_with_a_secret() {
    for template in [
        "{{ secrets }}",
        "{{ secrets | tojson }}",
        "{{ secrets | list }}",
        "{{ secrets | items }}",
        "{{ [secrets] }}",
        "{{ secrets['token'] }}",
        "{{ secrets.token.x }}",
        "{{ secrets.token[:1] }}",
        "{{ secrets.token | upper }}",
        "{{ secrets.token | tojson }}",
        "{{ secrets.token | length }}",
        "{{ secrets.token | urlencode | upper }}",
        "{{ secrets.token ~ '' }}",
        "{{ '' ~ secrets.token }}",
        "{{ (secrets.token) }}",
        "{{ secrets.token == 'a' }}",
        "{{ secrets.token if 1 }}",
        "{{ 1 if secrets.token else 2 }}",
        "{{ secrets.token() }}",
        "{{ secrets.Token }}",
        "{% if secrets.token is defined %}1{% endif %}",
        "{% for x in secrets %}{{ x }}{% endfor %}",
        "{% set x = secrets %}{{ x.token }}",
        "{% set secrets = {'token': 'mine'} %}{{ secrets.token }}",
        "{% with secrets = data %}{{ secrets.token }}{% endwith %}",
        "{% for secrets in [1] %}{{ secrets }}{% endfor %}",
        "{{ data | attr(secrets.token) }}",
        "{{ dict(secrets=1) }}",
    ] {
        let source = format!("\n{template}");
        assert_eq!(
            with_secret(Some("text/plain"), &source, "s3cr3t").unwrap_err(),
            TemplateError::SecretUse { line: 2 },
            "{template}"
        );
    }
    // What captures what is printed could pass it on.
    for template in [
        "{% set x %}{{ secrets.token }}{% endset %}{{ x }}",
        "{% set x %}{{ secrets.token | urlencode }}{% endset %}{{ x }}",
        "{% filter upper %}{{ secrets.token }}{% endfilter %}",
        "{% for x in [1] recursive %}{{ secrets.token }}{% if loop.depth == 1 %}{% set y = loop([1]) %}{% endif %}{% endfor %}",
    ] {
        for content_type in [None, Some("text/plain"), Some("text/html")] {
            let error = with_secret(content_type, template, "s3cr3t").unwrap_err();
            assert!(
                matches!(error, TemplateError::Rendering { .. }),
                "{template}: {error:?}"
            );
            assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
        }
    }
}

#[test]
fn secrets_are_names_and_texts() {
    let missing = with_secret(None, "[{{ secrets.token }}, {{ secrets.other }}]", "s3cr3t");
    let missing = missing.unwrap_err();
    assert_eq!(missing, TemplateError::NoSecret("other".to_owned()));
    assert!(missing.hint().contains("template_secrets"));
    let found = secret_names("{{ secrets.b }}{{ secrets.a }}{{ secrets.b }}").unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(Secrets::parse(&Value::Null).unwrap(), Secrets::default());
    let long = "x".repeat(64);
    let most: Value = (0..20)
        .map(|n| (format!("a{n}"), json!("s3cr3t")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert!(Secrets::parse(&most).is_ok());
    let mut more = most;
    more["b"] = json!("s3cr3t");
    for (secrets, message) in [
        (
            json!("s3cr3t"),
            "must be an object of names and strings, not a string",
        ),
        (more, "21 secrets; 20 at most"),
        (json!({"": "s3cr3t"}), "\"\" is no name"),
        (json!({"A": "s3cr3t"}), "\"A\" is no name"),
        (json!({"1a": "s3cr3t"}), "\"1a\" is no name"),
        (json!({"a-b": "s3cr3t"}), "\"a-b\" is no name"),
        (json!({"é": "s3cr3t"}), "\"é\" is no name"),
        (json!({long: "s3cr3t"}), "\"xxx"),
        (json!({"a": null}), "\"a\" must be a string, not null"),
        (
            json!({"a": ["s3cr3t"]}),
            "\"a\" must be a string, not an array",
        ),
        (json!({"a": ""}), "\"a\" has 0 bytes, not 1 to 4096"),
        (
            json!({"a": "s3cr3t".repeat(683)}),
            "\"a\" has 4098 bytes, not 1 to 4096",
        ),
    ] {
        let error = Secrets::parse(&secrets).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
        assert!(!error.contains("s3cr3t"), "{error}");
    }
    let secrets = Secrets::parse(&json!({"token": "s3cr3t"})).unwrap();
    assert_eq!(format!("{secrets:?}"), r#"Secrets(["token"])"#);
}

/// Each in a thread with half the stack of a sidecar's, and well under a second.
#[test]
fn nothing_works_long_or_takes_much_memory() {
    let nested = |open: &str, close: &str, n: usize| {
        format!("{{{{ {}1{} }}}}", open.repeat(n), close.repeat(n))
    };
    let assigned = format!("{{% set x = [1] %}}{}1", "{% set x=[x] %}".repeat(1080));
    let doubled = format!(
        "{{% set x = [1] %}}{}{{{{ x }}}}",
        "{% set x=[x,x] %}".repeat(100)
    );
    let text_doubled = format!(
        "{{% set x = 'ab' %}}{}{{{{ x }}}}",
        "{% set x=x~x %}".repeat(100)
    );
    let loops = "{% for a in range(1000) %}".repeat(20) + &"{% endfor %}".repeat(20);
    let templates = [
        "{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}"
            .to_owned(),
        "{% for a in range(100000) %}{% set x = data.text | tojson %}{% endfor %}".to_owned(),
        "{% for a in range(100000) %}{% set x = data.text | upper %}{% endfor %}".to_owned(),
        "{{ 'x' * 1000000000 }}".to_owned(),
        "{{ [1] * 1000000000 }}".to_owned(),
        "{{ data.text | replace('', data.text) }}".to_owned(),
        "{{ range(100000) | list | sort | join(data.text) }}".to_owned(),
        "{{ '%1000000000d' | format(1) }}".to_owned(),
        "{{ data.text | indent(100000000) }}".to_owned(),
        "{% for x in [data.list] recursive %}{{ loop([x]) }}{% endfor %}".to_owned(),
        "{{ data.list | batch(1000000000, 0) }}".to_owned(),
        "{{ 10 ** 100000 }}".to_owned(),
        loops,
        nested("[", "]", 7000),
        nested("(", ")", 7000),
        nested("-", "", 16000),
        nested("not ", "", 4000),
        nested("1+", "", 8000),
        nested("1 if 1 else ", "", 1200),
        format!("{{{{ data{} }}}}", ".a".repeat(8000)),
        format!("{{{{ 1{} }}}}", "|abs".repeat(4000)),
        format!("{{% if 0 %}}{}{{% endif %}}", "{%elif 0%}".repeat(1600)),
        format!("{}{}", "{%if 1%}".repeat(800), "{%endif%}".repeat(800)),
        doubled,
        text_doubled,
        "{{ data.text }}".repeat(1000),
    ];
    let data = json!({"text": "y".repeat(20_000), "list": [1, 2]});
    let work = move || {
        for template in templates {
            let started = std::time::Instant::now();
            let result = render(&template, &data);
            assert!(result.is_err(), "{:.80}: {:.80}", template, result.unwrap());
            let seconds = started.elapsed().as_secs_f64();
            assert!(seconds < 1.0, "{seconds} s: {template:.80}");
        }
        assert_eq!(render(&assigned, &data).as_deref(), Ok("1"));
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(work);
    thread.unwrap().join().unwrap();
}

#[test]
fn all_data_of_a_large_event_can_be_written_out() {
    let data = json!({"text": "z".repeat(5_000_000)});
    let template = Template::compile("[{{ data }}]", None).unwrap();
    let body = template.render(&envelope(&data), 6_000_000).unwrap();
    assert_eq!(body.len(), 5_000_000 + r#"[{"text":""}]"#.len());
    assert_eq!(
        template.render(&envelope(&data), 5_000_000).unwrap_err(),
        TemplateError::TooLarge(5_000_000)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Wherever a text goes it stays one text.
    #[test]
    fn no_text_breaks_out(text in any::<String>(), more in "[\"\\\\,:{}\\[\\]0-9\\x00-\\x1f ]{0,8}") {
        let text = text + &more;
        let template = r#"{"a": "x{{ data.t }}y", "b": {{ data.t }}, "c": "{{ [data.t] }}", "d": {{ [data.t] | tojson }},
            "e{{ data.t }}": "{% set z %}{{ data.t }}{% endset %}{{ z }}"}"#;
        let body = render(template, &json!({"t": text})).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        let key = format!("e{text}");
        prop_assert_eq!(body, json!({"a": format!("x{text}y"), "b": text, "c": json!([text]).to_string(), "d": [text], key: text}));
    }

    /// Whatever is written as a template, and however a card is broken: an answer, and no panic.
    #[test]
    fn any_template_is_answered(source in "(\\{\\{|\\}\\}|\\{%|%\\}|[a-z .|()\\[\\]\"'0-9~+*-]|for|in|if|set|end|data|\\n|\\PC){0,40}") {
        if let Err(error) = render(&source, &json!({"text": "x"})) {
            prop_assert!(error.to_string().len() < 2000);
        }
    }
}
