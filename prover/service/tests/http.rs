//! The service over real connections: each route honest, without a key, with a key that may not, and with nonsense.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clearproof_prover::engine::policy::Policy;
use clearproof_prover::onnx;
use clearproof_prover::prove::{
    compile, CompileOptions, InputVisibility, Scheme, Silent, SrsSource,
};
use clearproof_prover::quantize::{quantize, QuantizeOptions};
use clearproof_service::config::{self, Config, Role};
use clearproof_service::http::{self, ServeError, Server};
use clearproof_shared::verify::report::Verdict;
use clearproof_shared::verify::{verify_evidence, Options};
use rand_core::OsRng;
use serde_json::{json, Value};

const MODEL: &[u8] = include_bytes!("../../../tests/models/compliance.onnx");
const POLICY: &str = r#"
version = 1
name = "desk limits"
features = ["size", "leverage", "price", "volume", "position_pct"]

[metadata.symbol]
values = ["BTC-USD", "ETH-USD"]

[[rule]]
name = "leverage"
require = "leverage <= 3"
[[rule]]
name = "symbol"
require = "symbol in {'BTC-USD'}"
[[rule]]
name = "model"
require = "-1000 < OUTPUT < 1000"
"#;

/// The compiled model, made once for all tests.
fn compiled() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let graph = onnx::load(MODEL).unwrap();
        let policy = POLICY.replace("OUTPUT", &graph.outputs[0].name);
        let policy = Policy::read(&policy).unwrap();
        let judged = policy.apply(&graph).unwrap();
        let quantized = quantize(&judged, &[], &QuantizeOptions::default()).unwrap();
        let options = CompileOptions {
            scheme: Scheme::Kzg,
            srs: SrsSource::InsecureDevelopment,
            batch: 2,
            inputs: InputVisibility::Committed,
            model_name: "compliance".into(),
            policy: Some(policy.description()),
        };
        let artifact = compile(&quantized.model, &options, &mut OsRng, &Silent).unwrap();
        let folder = tempfile::tempdir().unwrap();
        artifact.save(&folder.path().join("first")).unwrap();
        folder
    });
    folder.path()
}

/// A service on a folder of its own.
struct Desk {
    folder: tempfile::TempDir,
    keys: Vec<(Role, String)>,
    log_key: String,
    server: Option<Server>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The sentence of a refusal with this status.
    fn refused(&self, status: u16) -> String {
        let shown = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{shown}");
        assert!(
            self.head.contains("application/problem+json"),
            "{}",
            self.head
        );
        let problem = self.json();
        assert_eq!(problem["status"], status);
        let detail = problem["detail"].as_str().unwrap();
        assert!(!detail.is_empty() && !detail.contains('\n'), "{detail}");
        detail.to_owned()
    }
}

fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(request).unwrap();
    let mut answer = vec![];
    // A refused body is not read to its end, and the connection may be reset then.
    let _ = stream.read_to_end(&mut answer);
    let split = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..split].to_vec()).unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_lowercase(),
        body: answer[split + 4..].to_vec(),
    }
}

impl Desk {
    fn new(change: impl Fn(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("desk");
        let made = config::initialize(&dir, "desk.example/log").unwrap();
        let path = dir.join("clearproof.toml");
        let text = change(fs::read_to_string(&path).unwrap());
        fs::write(&path, text).unwrap();
        let first = dir.join("models/first");
        fs::create_dir(&first).unwrap();
        for file in fs::read_dir(compiled().join("first")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), first.join(file.file_name())).unwrap();
        }
        let keys = made.keys.iter();
        let mut desk = Self {
            folder,
            keys: keys.map(|(role, key)| (*role, key.to_string())).collect(),
            log_key: made.log_key,
            server: None,
        };
        desk.start();
        desk
    }

    fn start(&mut self) {
        let config = Config::read(&self.folder.path().join("desk")).unwrap();
        let opened = config::open(&config, config.mode).unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let server = Server::start(config, opened, listen, |line| eprintln!("{line}"));
        self.server = Some(server.unwrap());
    }

    fn stop(&mut self) {
        self.server.take().unwrap().stop();
    }

    fn key(&self, role: Role) -> &str {
        &self.keys.iter().find(|(r, _)| *r == role).unwrap().1
    }

    fn raw(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        let request = [head.as_bytes(), body].concat();
        exchange(self.server.as_ref().unwrap().address(), &request)
    }

    fn get(&self, role: Role, path: &str) -> Answer {
        let headers = format!("Authorization: Bearer {}\r\n", self.key(role));
        self.raw("GET", path, &headers, b"")
    }

    fn post(&self, role: Role, path: &str, body: &Value) -> Answer {
        self.post_bytes(role, path, "", body.to_string().as_bytes())
    }

    fn post_bytes(&self, role: Role, path: &str, headers: &str, body: &[u8]) -> Answer {
        let headers = format!(
            "Authorization: Bearer {}\r\nContent-Type: application/json\r\n{headers}",
            self.key(role)
        );
        self.raw("POST", path, &headers, body)
    }

    /// Loads and approves the model.
    fn approve(&self) -> String {
        let loaded = self.post(Role::Admin, "/v1/models/load", &json!({"folder": "first"}));
        assert_eq!(loaded.status, 200, "{}", loaded.json());
        assert_eq!(loaded.json()["state"], "loaded");
        let model = loaded.json()["model"].as_str().unwrap().to_owned();
        for action in ["register", "approve"] {
            let path = format!("/v1/models/{model}/{action}");
            let done = self.post(Role::Admin, &path, &json!({"note": "reviewed"}));
            assert_eq!(done.status, 200, "{}", done.json());
        }
        model
    }

    fn wait_verified(&self, count: u64) {
        let start = Instant::now();
        loop {
            let stats = self.get(Role::Auditor, "/v1/statistics").json();
            if stats["verified"] == count {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(300), "{stats}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn trade(leverage: f64, symbol: &str) -> Value {
    json!({
        "features": {"size": 0.5, "leverage": leverage, "price": 0.25, "volume": 0.75, "position_pct": 1.0},
        "metadata": {"symbol": symbol},
    })
}

fn same(text: String) -> String {
    text
}

#[test]
fn a_decision_is_proved_behind_and_its_evidence_is_valid_for_an_auditor() {
    let mut desk = Desk::new(same);
    let none = desk.post(Role::Trader, "/v1/decisions", &trade(2.0, "BTC-USD"));
    assert!(none.refused(409).contains("no model is in force"));
    let model = desk.approve();
    // 1. Decided, once for each Idempotency-Key.
    let asked = trade(2.0, "BTC-USD").to_string();
    let decide = |key: &str, role| {
        let header = format!("Idempotency-Key: {key}\r\n");
        desk.post_bytes(role, "/v1/decisions", &header, asked.as_bytes())
    };
    let first = decide("order-1", Role::Trader).json();
    assert_eq!(
        (&first["compliant"], &first["seq"]),
        (&json!(true), &json!(2))
    );
    let again = decide("order-1", Role::Trader).json();
    assert_eq!(
        (&again["repeated"], &again["receipt"]),
        (&json!(true), &first["receipt"])
    );
    // Another key's order of the same name is another request.
    assert_eq!(decide("order-1", Role::Admin).json()["seq"], 3);
    let refused = desk
        .post(Role::Trader, "/v1/decisions", &trade(3.5, "BTC-USD"))
        .json();
    assert_eq!(
        (&refused["compliant"], &refused["rule"]),
        (&json!(false), &json!("leverage"))
    );
    // 2. A batch keeps its order, and a bad trade does not hold up the others.
    let mut bad = trade(1.0, "BTC-USD");
    bad["features"]["siez"] = json!(1);
    let batch = json!({"trades": [trade(1.0, "BTC-USD"), bad, trade(1.0, "DOGE")]});
    let batch = desk
        .post(Role::Trader, "/v1/decisions/batch", &batch)
        .json();
    let results = batch["results"].as_array().unwrap();
    assert_eq!(results[0]["decision"]["seq"], 5);
    assert_eq!(results[1]["problem"]["status"], 422);
    assert_eq!(results[2]["decision"]["rule"], "symbol");
    // 3. Proved and checked behind.
    desk.wait_verified(5);
    let record = desk.get(Role::Trader, "/v1/decisions/2").json();
    assert_eq!(
        (&record["status"], &record["receipt"]),
        (&json!("verified"), &first["receipt"])
    );
    assert_eq!(record["request_id"], "trader/order-1");
    desk.get(Role::Trader, "/v1/decisions/3").refused(403);
    desk.get(Role::Trader, "/v1/decisions/99").refused(403);
    desk.get(Role::Auditor, "/v1/decisions/99").refused(404);
    // 4. History, page by page.
    let page = desk
        .get(Role::Auditor, "/v1/history?limit=3&kind=prove")
        .json();
    assert_eq!(
        (page["records"].as_array().unwrap().len(), &page["next"]),
        (3, &json!(4))
    );
    let page = desk
        .get(Role::Auditor, "/v1/history?limit=3&kind=prove&before=4")
        .json();
    assert_eq!(
        (page["records"].as_array().unwrap().len(), &page["next"]),
        (2, &Value::Null)
    );
    let path =
        "/v1/history?metadata_key=symbol&metadata_value=DOGE&compliant=false&status=verified";
    assert_eq!(desk.get(Role::Auditor, path).json()["records"][0]["seq"], 6);
    // 5. Evidence, as its auditor judges it: own copy of the bundle, own copy of the log's key.
    let window = json!({"from": 0, "to": 7, "metadata": true});
    let evidence = desk.post(Role::Auditor, "/v1/evidence", &window);
    assert_eq!(evidence.status, 200);
    let bundle = fs::read(compiled().join("first/verifier.bin")).unwrap();
    let served = desk.get(Role::Trader, &format!("/v1/models/{model}/bundle"));
    assert_eq!(served.body, bundle);
    let judge = |file: &[u8], key: &str| {
        let options = Options {
            trust: vec![&bundle],
            allow_insecure_dev_srs: true,
            log_keys: vec![key],
            witness_keys: vec![],
            clock: None,
        };
        verify_evidence(file, &options)
    };
    let report = judge(&evidence.body, &desk.log_key);
    assert_eq!(report.verdict, Verdict::Valid, "{:#?}", report.checks);
    assert_eq!(report.records.len(), 5);
    let other = Desk::new(same);
    assert_ne!(
        judge(&evidence.body, &other.log_key).verdict,
        Verdict::Valid
    );
    let disclosure = json!({"from": 0, "to": 7, "records": [2]});
    desk.post(Role::Auditor, "/v1/disclosures", &disclosure)
        .refused(403);
    let disclosed = desk.post(Role::Admin, "/v1/disclosures", &disclosure);
    let report = judge(&disclosed.body, &desk.log_key);
    assert_eq!(report.verdict, Verdict::Valid, "{:#?}", report.checks);
    assert!(report.records[0].inputs.is_some() && report.records[1].inputs.is_none());
    let path = "/v1/verify?allow_insecure_dev_srs=true";
    let judged = desk
        .post_bytes(Role::Auditor, path, "", &evidence.body)
        .json();
    assert_eq!(judged["verdict"], "valid");
    let mut changed = evidence.body.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let judged = desk.post_bytes(Role::Auditor, path, "", &changed).json();
    assert_eq!(judged["verdict"], "invalid");
    // 6. Proofs, checkpoints, tiles, policies, counts.
    let proof = record["proof"].as_u64().unwrap();
    let shown = desk
        .get(Role::Auditor, &format!("/v1/proofs/{proof}"))
        .json();
    assert_eq!(
        (&shown["verified"], &shown["rows"][0]),
        (&json!(true), &json!(2))
    );
    let file = desk.get(Role::Auditor, &format!("/v1/proofs/{proof}/file"));
    assert_eq!(file.body.len() as u64, shown["bytes"]);
    let path = format!("/v1/proofs/{proof}/verify");
    assert_eq!(
        desk.post(Role::Auditor, &path, &json!({})).json()["verified"],
        true
    );
    let checkpoint = desk
        .post(Role::Auditor, "/v1/checkpoints", &json!({}))
        .json();
    assert_eq!(checkpoint["size"], 7);
    let tile = desk.get(Role::Auditor, "/v1/log/checkpoint");
    assert_eq!(
        String::from_utf8_lossy(&tile.body),
        checkpoint["note"].as_str().unwrap()
    );
    assert_eq!(
        desk.get(Role::Auditor, "/v1/log/tile/0/000.p/7").body.len(),
        7 * 32
    );
    desk.get(Role::Auditor, "/v1/log/tile/0/000.p/8")
        .refused(404);
    desk.get(Role::Auditor, "/v1/log/../clearproof.toml")
        .refused(404);
    assert_eq!(desk.get(Role::Trader, "/v1/checkpoints/1").status, 200);
    desk.get(Role::Trader, "/v1/checkpoints/8").refused(404);
    assert_eq!(
        desk.get(Role::Trader, "/v1/log-key").json()["key"],
        desk.log_key.as_str()
    );
    let policies = desk.get(Role::Trader, "/v1/policies").json();
    assert_eq!(policies[0]["rules"][0]["require"], "leverage <= 3");
    assert_eq!(desk.get(Role::Auditor, "/v1/failures").json(), json!([]));
    desk.post(Role::Admin, "/v1/failures/1/retry", &json!({}))
        .refused(404);
    let metrics = desk.get(Role::Auditor, "/v1/metrics");
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(
        metrics.contains("clearproof_decisions_verified 5\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("route=\"/v1/decisions/{seq}\",status=\"403\"} 2\n"),
        "{metrics}"
    );
    // 7. Opened again, it goes on.
    desk.stop();
    desk.start();
    let models = desk.get(Role::Trader, "/v1/models").json();
    assert_eq!(
        (&models[0]["state"], &models[0]["model"]),
        (&json!("in-force"), &json!(model))
    );
    let asked = trade(2.0, "BTC-USD").to_string();
    let again = "Idempotency-Key: order-1\r\n";
    let again = desk
        .post_bytes(Role::Trader, "/v1/decisions", again, asked.as_bytes())
        .json();
    assert_eq!(
        (&again["repeated"], &again["seq"]),
        (&json!(true), &json!(2))
    );
    let next = desk
        .post(Role::Trader, "/v1/decisions", &trade(2.0, "BTC-USD"))
        .json();
    assert_eq!(next["seq"], 7);
    desk.wait_verified(6);
    // 8. Retired, nothing decides.
    let path = format!("/v1/models/{model}/retire");
    assert_eq!(desk.post(Role::Admin, &path, &json!({})).json()["seq"], 8);
    desk.post(Role::Trader, "/v1/decisions", &trade(2.0, "BTC-USD"))
        .refused(409);
    desk.post(Role::Admin, &path, &json!({})).refused(409);
}

#[test]
fn progress_is_told_as_it_happens() {
    let mut desk = Desk::new(same);
    desk.approve();
    let mut listener = TcpStream::connect(desk.server.as_ref().unwrap().address()).unwrap();
    let key = desk.key(Role::Auditor);
    write!(
        listener,
        "GET /v1/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n\r\n"
    )
    .unwrap();
    listener
        .set_read_timeout(Some(Duration::from_secs(300)))
        .unwrap();
    let mut heard = String::new();
    let mut until = |part: &str| {
        let mut bytes = [0; 4096];
        while !heard.contains(part) {
            let read = listener.read(&mut bytes).unwrap();
            assert!(read > 0, "{heard}");
            heard += &String::from_utf8_lossy(&bytes[..read]);
        }
    };
    until("text/event-stream");
    desk.post(Role::Trader, "/v1/decisions", &trade(2.0, "BTC-USD"));
    desk.post(Role::Auditor, "/v1/checkpoints", &json!({}));
    for part in [
        "event: appended",
        "event: checkpoint",
        "event: proved",
        "event: verified",
    ] {
        until(part);
    }
    // A listener does not hold up the end.
    let start = Instant::now();
    desk.stop();
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn every_route_is_described_and_needs_a_key_that_may() {
    let desk = Desk::new(same);
    let other = Desk::new(same);
    let config = Config::read(&other.folder.path().join("desk")).unwrap();
    let opened = config::open(&config, config.mode).unwrap();
    let listed: BTreeSet<(String, String)> = http::listed(config, opened)
        .into_iter()
        .map(|(method, path)| (method.to_lowercase(), path.replace("{*", "{")))
        .collect();
    let document = desk.get(Role::Trader, "/v1/openapi.json").json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert((method.clone(), path.clone()));
        }
    }
    assert_eq!(listed, described);
    let json = "Content-Type: application/json\r\n";
    for (method, path) in &listed {
        let method = method.to_uppercase();
        let path = path.replace("{model}", &"0".repeat(64));
        let path = path.replace("{path}", "checkpoint").replace("{size}", "0");
        let path = path.replace("{seq}", "0").replace("{id}", "1");
        if path == "/health" {
            assert_eq!(desk.raw(&method, &path, "", b"").status, 200);
            continue;
        }
        for wrong in [
            String::new(),
            "Authorization: Bearer\r\n".into(),
            "Authorization: Bearer \r\n".into(),
            "Authorization: Basic YTpi\r\n".into(),
            format!("Authorization: Bearer {}\r\n", other.key(Role::Admin)),
            format!("Authorization: Bearer {}0\r\n", desk.key(Role::Admin)),
        ] {
            desk.raw(&method, &path, &wrong, b"").refused(401);
        }
        // Whoever may gets another answer than 401 and 403, and never our own mistake.
        let mut allowed = vec![];
        for role in Role::ALL {
            if path == "/v1/events" && role != Role::Trader {
                continue;
            }
            let headers = format!("Authorization: Bearer {}\r\n{json}", desk.key(role));
            let status = desk.raw(&method, &path, &headers, b"{\"a\": ").status;
            assert!(status < 500, "{method} {path}: {status}");
            // Of a trader, a record that is not its own is refused as well.
            if status != 403 {
                allowed.push(role.name());
            }
        }
        let expected: &[&str] = match (method.as_str(), path.as_str()) {
            (_, "/v1/events") => &[],
            ("POST", "/v1/decisions" | "/v1/decisions/batch") => &["trader", "admin"],
            ("POST", "/v1/disclosures" | "/v1/failures/1/retry") => &["admin"],
            ("POST", path) if path.starts_with("/v1/models/") => &["admin"],
            ("GET", "/v1/checkpoints/0" | "/v1/log-key" | "/v1/log/checkpoint") => {
                &["trader", "auditor", "admin"]
            }
            ("GET", "/v1/policies" | "/v1/openapi.json") => &["trader", "auditor", "admin"],
            ("GET", path) if path.starts_with("/v1/models") => &["trader", "auditor", "admin"],
            _ => &["auditor", "admin"],
        };
        assert_eq!(allowed, expected, "{method} {path}");
    }
    let key = format!("Authorization: Bearer {}\r\n", desk.key(Role::Admin));
    desk.raw("GET", "/v1/nothing", &key, b"").refused(404);
    desk.raw("GET", "/", "", b"").refused(404);
    desk.raw("DELETE", "/v1/decisions", &key, b"").refused(405);
    desk.raw("FROB", "/v1/decisions/1", &key, b"").refused(405);
}

#[test]
fn nonsense_gets_a_sentence_and_changes_nothing() {
    let desk = Desk::new(|text| format!("{text}\n[limits]\nbody_bytes = 100000\nbatch = 3\n"));
    desk.approve();
    let size = || desk.get(Role::Auditor, "/v1/statistics").json()["total"].clone();
    let before = size();
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let good = trade(1.0, "BTC-USD").to_string();
    let bodies: Vec<(Vec<u8>, u16)> = vec![
        (b"".to_vec(), 400),
        (b"{".to_vec(), 400),
        (b"null".to_vec(), 400),
        (b"\xff\xfe".to_vec(), 400),
        (good.replace("BTC-USD", "\u{0}").into_bytes(), 400),
        (good.replace("BTC-USD", "\\u0000").into_bytes(), 422),
        (good.replace("BTC-USD", "\\ud800").into_bytes(), 400),
        (good.replace("0.75", "NaN").into_bytes(), 400),
        (good.replace("0.75", "1e999").into_bytes(), 400),
        (good.replace("0.75", "\"1\"").into_bytes(), 400),
        (good.replace("0.75", "null").into_bytes(), 400),
        (good.replace("volume", "price").into_bytes(), 400),
        (good.replace("volume", "volum").into_bytes(), 422),
        (
            good.replace("\"metadata\"", "\"metadat\"").into_bytes(),
            400,
        ),
        (good.replace("\"symbol\"", "\"simbol\"").into_bytes(), 422),
        (b"{\"features\": [1, 2]}".to_vec(), 422),
        (b"{\"features\": true}".to_vec(), 400),
        (b"{\"features\": [], \"model\": \"xyz\"}".to_vec(), 400),
        (format!("{{\"features\": {deep}}}").into_bytes(), 413),
        (
            format!("{{\"features\": {}}}", &deep[..40_000]).into_bytes(),
            400,
        ),
        (vec![b' '; 100_001], 413),
        (
            good.replace("BTC-USD", &"x".repeat(70_000)).into_bytes(),
            422,
        ),
    ];
    for (body, status) in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let answer = desk.post_bytes(Role::Trader, "/v1/decisions", "", &body);
        assert_eq!(
            answer.status,
            status,
            "{shown}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.refused(status);
        let answer = desk.post_bytes(Role::Trader, "/v1/decisions/batch", "", &body);
        assert!(
            (400..500).contains(&answer.status),
            "{shown}: {}",
            answer.status
        );
    }
    let key = desk.key(Role::Trader);
    let plain = format!("Authorization: Bearer {key}\r\n");
    desk.raw("POST", "/v1/decisions", &plain, good.as_bytes())
        .refused(415);
    for header in [
        "Idempotency-Key: \r\n",
        "Idempotency-Key: a b\r\n",
        "Idempotency-Key: \u{e9}\r\n",
    ] {
        desk.post_bytes(Role::Trader, "/v1/decisions", header, good.as_bytes())
            .refused(400);
    }
    let many = json!({"trades": vec![trade(1.0, "BTC-USD"); 4]});
    desk.post(Role::Trader, "/v1/decisions/batch", &many)
        .refused(422);
    desk.post(Role::Trader, "/v1/decisions/batch", &json!({"trades": []}))
        .refused(422);
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "before=-1",
        "before=18446744073709551615",
        "nothing=1",
        "kind=x",
        "status=x",
        "model=00",
        "compliant=maybe",
        "metadata_key=a",
        "limit=1&limit=2",
        "kind=%ff",
    ] {
        desk.get(Role::Auditor, &format!("/v1/history?{query}"))
            .refused(400);
    }
    for path in [
        "/v1/decisions/x",
        "/v1/decisions/-1",
        "/v1/decisions/18446744073709551616",
        "/v1/proofs/1.5",
        "/v1/checkpoints/%ff",
        "/v1/models/zz/bundle",
    ] {
        desk.get(Role::Admin, path).refused(400);
    }
    for window in [
        json!({"from": 0, "to": 99}),
        json!({"from": 5, "to": 1}),
        json!({"from": 0, "to": u64::MAX}),
        json!({"from": 0, "to": 2, "earlier": 1}),
        json!({"from": 0, "to": 2, "earlier": u64::MAX}),
    ] {
        let answer = desk.post(Role::Auditor, "/v1/evidence", &window);
        answer.refused(422);
    }
    desk.post(
        Role::Auditor,
        "/v1/evidence",
        &json!({"from": 0, "to": 2, "disclose": [1]}),
    )
    .refused(400);
    desk.post(
        Role::Admin,
        "/v1/disclosures",
        &json!({"from": 0, "to": 2, "records": [5]}),
    )
    .refused(422);
    for folder in [
        "",
        "..",
        "../desk/models/first",
        "/etc",
        "first/..",
        "nothing",
        "a\u{0}b",
    ] {
        desk.post(Role::Admin, "/v1/models/load", &json!({"folder": folder}))
            .refused(422);
    }
    std::os::unix::fs::symlink(
        compiled().join("first"),
        desk.folder.path().join("desk/models/link"),
    )
    .unwrap();
    desk.post(Role::Admin, "/v1/models/load", &json!({"folder": "link"}))
        .refused(422);
    let model = "7".repeat(64);
    desk.post(
        Role::Admin,
        &format!("/v1/models/{model}/register"),
        &json!({}),
    )
    .refused(409);
    desk.post(
        Role::Admin,
        &format!("/v1/models/{model}/change"),
        &json!({}),
    )
    .refused(422);
    let note = json!({"note": "x".repeat(70_000)});
    desk.post(Role::Admin, &format!("/v1/models/{model}/register"), &note)
        .refused(409);
    // Evidence is bytes: what is no evidence is judged, not refused.
    let judged = desk
        .post_bytes(Role::Auditor, "/v1/verify", "", b"nonsense")
        .json();
    assert_eq!(judged["verdict"], "invalid");
    // Not even HTTP.
    let address = desk.server.as_ref().unwrap().address();
    assert_eq!(exchange(address, b"\x16\x03\x01 hello\r\n\r\n").status, 400);
    assert_eq!(size(), before);
}

#[test]
fn a_key_that_asks_too_often_waits() {
    let limits = "[limits]\nrequests_per_second = 0.001\nburst = 2\n";
    let desk = Desk::new(|text| format!("{text}\n{limits}"));
    assert_eq!(desk.get(Role::Auditor, "/v1/log-key").status, 200);
    assert_eq!(desk.get(Role::Auditor, "/v1/log-key").status, 200);
    let answer = desk.get(Role::Auditor, "/v1/log-key");
    answer.refused(429);
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
    assert_eq!(desk.get(Role::Trader, "/v1/log-key").status, 200);
}

#[test]
fn what_waits_is_answered_before_the_service_ends() {
    let mut desk = Desk::new(same);
    desk.approve();
    let address = desk.server.as_ref().unwrap().address();
    let key = desk.key(Role::Trader).to_owned();
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let key = key.clone();
            std::thread::spawn(move || {
                let mut answered = vec![];
                for i in 0.. {
                    let body = trade(1.0, "BTC-USD").to_string();
                    let request = format!(
                        "POST /v1/decisions HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\nIdempotency-Key: {caller}-{i}\r\nContent-Length: {}\r\nAuthorization: Bearer {key}\r\n\r\n{body}",
                        body.len()
                    );
                    let Ok(mut stream) = TcpStream::connect(address) else { break };
                    let _ = stream.write_all(request.as_bytes());
                    let mut answer = String::new();
                    let _ = stream.read_to_string(&mut answer);
                    let Some((_, body)) = answer.split_once("\r\n\r\n") else { break };
                    let answer: Value = serde_json::from_str(body).unwrap();
                    answered.push(answer["seq"].as_u64().unwrap());
                }
                answered
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    desk.stop();
    let mut answered: Vec<u64> = callers
        .into_iter()
        .flat_map(|c| c.join().unwrap())
        .collect();
    answered.sort_unstable();
    assert!(!answered.is_empty());
    desk.start();
    let total = desk.get(Role::Auditor, "/v1/statistics").json()["total"]
        .as_u64()
        .unwrap();
    // Every answer is of a record of its own, and all of them are in the log.
    assert!(answered.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(answered.last().unwrap() < &total);
}

#[test]
fn keys_travel_in_the_clear_on_loopback_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("desk");
    config::initialize(&dir, "desk.example/log").unwrap();
    let start = |text: &str| {
        let path = dir.join("clearproof.toml");
        let before = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{before}{text}")).unwrap();
        let config = Config::read(&dir).unwrap();
        let opened = config::open(&config, config.mode).unwrap();
        Server::start(config, opened, "0.0.0.0:0".parse().unwrap(), |_| {})
    };
    assert!(matches!(start(""), Err(ServeError::Plain(_))));
    let missing = start("\n[tls]\ncertificate = \"none.pem\"\nkey = \"none.key\"\n");
    assert!(
        matches!(missing, Err(ServeError::Tls { .. })),
        "{missing:?}"
    );
}

#[test]
fn with_a_certificate_tls_is_spoken_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("desk");
    config::initialize(&dir, "desk.example/log").unwrap();
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "tls.key",
            "-out",
            "tls.pem",
            "-days",
            "2",
            "-subj",
            "/CN=desk",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:false",
        ])
        .current_dir(&dir)
        .output()
        .expect("openssl runs; scripts/ensure-program.sh openssl openssl installs it");
    assert!(made.status.success(), "{made:?}");
    let path = dir.join("clearproof.toml");
    let before = fs::read_to_string(&path).unwrap();
    let tls = "\n[tls]\ncertificate = \"tls.pem\"\nkey = \"tls.key\"\n";
    fs::write(&path, before + tls).unwrap();
    let config = Config::read(&dir).unwrap();
    let opened = config::open(&config, config.mode).unwrap();
    let server = Server::start(config, opened, "127.0.0.1:0".parse().unwrap(), |_| {}).unwrap();
    assert!(server.url().starts_with("https://"));
    let ask = |roots: rustls::RootCertStore| {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
        let line = rustls::ClientConnection::new(std::sync::Arc::new(client), name).unwrap();
        let socket = TcpStream::connect(server.address()).unwrap();
        let mut stream = rustls::StreamOwned::new(line, socket);
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
        let mut answer = vec![];
        // The peer may close without a farewell.
        let _ = stream.read_to_end(&mut answer);
        Ok::<_, std::io::Error>(String::from_utf8(answer).unwrap())
    };
    let mut roots = rustls::RootCertStore::empty();
    let untrusted = ask(roots.clone());
    assert!(untrusted.is_err(), "{untrusted:?}");
    let pem = rustls::pki_types::pem::PemObject::from_pem_file(dir.join("tls.pem"));
    roots.add(pem.unwrap()).unwrap();
    let answer = ask(roots).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut plain = TcpStream::connect(server.address()).unwrap();
    plain
        .write_all(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut answer = vec![];
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    server.stop();
}

#[test]
fn the_portal_is_served_under_a_policy_and_pages_from_elsewhere_only_where_named() {
    let desk = Desk::new(|text| {
        format!("portal = \"web\"\nportal_origins = [\"https://auditor.example\"]\n{text}")
    });
    let web = desk.folder.path().join("desk/web");
    fs::create_dir(&web).unwrap();
    fs::write(web.join("live.html"), "<!doctype html>").unwrap();
    let page = desk.raw("GET", "/live.html", "", b"");
    assert_eq!(page.status, 200);
    for part in [
        "connect-src 'self'",
        "require-trusted-types-for 'script'",
        "frame-ancestors 'none'",
    ] {
        assert!(page.head.contains(part), "{}", page.head);
    }
    for (origin, allowed) in [
        ("https://auditor.example", true),
        ("https://other.example", false),
    ] {
        let headers = format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n"
        );
        let answer = desk.raw("OPTIONS", "/v1/evidence", &headers, b"");
        let granted = format!("access-control-allow-origin: {origin}");
        assert_eq!(answer.head.contains(&granted), allowed, "{}", answer.head);
    }
    let folder = desk.folder.path().join("desk");
    let path = folder.join("clearproof.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("https://auditor.example", "auditor.example/page"),
    )
    .unwrap();
    let refused = Config::read(&folder).unwrap_err().to_string();
    assert!(refused.contains("is no origin"), "{refused}");
}
