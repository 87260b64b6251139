use std::net::SocketAddr;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde_json::json;
use uuid::Uuid;
use webhooks_tests::sidecar::Options;

use crate::certified::{Certified, Demands};
use crate::scene::{Scene, subscribe, text};

const ANY: Demands = Demands {
    versions: &[&TLS13, &TLS12],
    client_certificate: false,
};
const ONE_VERSION: [&[&SupportedProtocolVersion]; 2] = [&[&TLS12], &[&TLS13]];

async fn publish_to(scene: &Scene, host: &str, address: SocketAddr) -> Uuid {
    let url = format!("https://{host}:{}/", address.port());
    let endpoint = subscribe(
        &scene.db,
        &url,
        json!({"retry_count": 0, "timeout_seconds": 10}),
    )
    .await;
    scene.publish(&endpoint).await
}

async fn failed(scene: &Scene, event: Uuid, part: &str) {
    let (delivery, _) = scene.wait(event, "failed").await;
    assert!(
        text(&delivery["error_message"]).contains(part),
        "{part}: {delivery}"
    );
}

/// Nothing but what this program says itself, once for each delivery, in its record.
fn assert_quiet(scene: &Scene) {
    let log = scene.sidecar.log();
    // That a receiver fails is said once, and is no warning.
    let noise = log.iter().find(|line| {
        line.contains("ERROR")
            || line.contains("TLS") && !line.message().starts_with("the receiver fails")
    });
    assert!(noise.is_none(), "{noise:?}");
}

/// As PostgreSQL's manual makes it, with keys that not every library takes.
#[tokio::test]
async fn a_self_signed_certificate_is_trusted_when_it_is_given() {
    let p521 = Certified::by_the_manual(&rcgen::PKCS_ECDSA_P521_SHA512);
    let rsa = Certified::by_the_manual(&rcgen::PKCS_RSA_SHA256);
    let servers = [p521.serve(ANY).await, rsa.serve(ANY).await];
    let scene = Scene::set("self_signed").await;
    for server in servers {
        let event = publish_to(&scene, "localhost", server).await;
        failed(
            &scene,
            event,
            "TLS: the certificate is self-signed and not trusted",
        )
        .await;
    }
    assert_quiet(&scene);

    let file = tempfile::NamedTempFile::new().unwrap();
    let trusted = format!(
        "two of them\r\n{}\r\n{}",
        p521.pem,
        rsa.pem.replace('\n', "\r\n")
    );
    std::fs::write(file.path(), trusted).unwrap();
    let options = Options::default()
        .arg("--receiver-ca-file")
        .arg(file.path().to_str().unwrap());
    let scene = Scene::set_with("self_signed_trusted", options).await;
    for server in servers {
        let event = publish_to(&scene, "localhost", server).await;
        scene.wait(event, "delivered").await;
        // It is trusted for its own name only.
        let event = publish_to(&scene, "127.0.0.1", server).await;
        failed(
            &scene,
            event,
            "TLS: the certificate is not for 127.0.0.1, but for localhost",
        )
        .await;
    }
    // Another one with the same name is not meant.
    let other = Certified::by_the_manual(&rcgen::PKCS_ECDSA_P256_SHA256)
        .serve(ANY)
        .await;
    let event = publish_to(&scene, "localhost", other).await;
    failed(
        &scene,
        event,
        "TLS: the certificate is self-signed and not trusted",
    )
    .await;
    assert_quiet(&scene);
}

#[tokio::test]
async fn demands_of_servers_are_met_or_named() {
    let certified = Certified::by_the_manual(&rcgen::PKCS_ECDSA_P256_SHA256);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &certified.pem).unwrap();
    let options =
        Options::default().env("WEBHOOKS_RECEIVER_CA_FILE", file.path().to_str().unwrap());
    let scene = Scene::set_with("demands", options).await;
    for versions in ONE_VERSION {
        let plain = Demands {
            versions,
            client_certificate: false,
        };
        let event = publish_to(&scene, "localhost", certified.serve(plain).await).await;
        scene.wait(event, "delivered").await;
        let demanding = Demands {
            versions,
            client_certificate: true,
        };
        let event = publish_to(&scene, "localhost", certified.serve(demanding).await).await;
        failed(&scene, event, "client certificate").await;
    }
    assert_quiet(&scene);
}
