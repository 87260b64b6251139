//! How a receiver verifies signatures, in five languages. It takes the secret from its environment.

use maud::{Markup, html};

const EXAMPLES: [(&str, &str); 5] = [
    (
        "Shell",
        r#"# secret, headers and the body as it arrived, in variables and a file
key=$(printf %s "${WEBHOOK_SECRET#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
{ printf %s "$webhook_id.$webhook_timestamp."; cat body; } |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64
# The header webhook-signature has this after "v1,", perhaps among others. Refuse old timestamps."#,
    ),
    (
        "Python",
        r#"# pip install standardwebhooks
from standardwebhooks import Webhook

payload = Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, headers)  # raises if it is not genuine"#,
    ),
    (
        "Node.js",
        r#"// npm install standardwebhooks
import { Webhook } from "standardwebhooks";

const payload = new Webhook(process.env.WEBHOOK_SECRET).verify(body, headers); // throws if it is not genuine"#,
    ),
    (
        "Go",
        r#"// go get github.com/standard-webhooks/standard-webhooks/libraries/go
wh, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
if err != nil { return err }
err = wh.Verify(body, r.Header) // an error if it is not genuine"#,
    ),
    (
        "Rust",
        r#"// cargo add standardwebhooks
let webhook = standardwebhooks::Webhook::new(&std::env::var("WEBHOOK_SECRET")?)?;
webhook.verify(&body, &headers)?; // an error if it is not genuine"#,
    ),
];

pub fn section() -> Markup {
    html! {
        h2 { "Verify requests" }
        p { "Pass the body as the bytes that arrived, before any framework parses it." }
        @for (i, (language, code)) in EXAMPLES.iter().enumerate() {
            details open[i == 0] {
                summary { (language) }
                pre id={ "verify-" (i) } { code { (code) } }
                button type="button" data-copy-from={ "verify-" (i) } { "Copy" }
            }
        }
    }
}
