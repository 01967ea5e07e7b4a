//! What the kubelet asks of containerd, as far as these tests need it: gRPC over a unix socket with
//! messages written by hand (`runtime.v1`, api.proto).

use std::path::Path;
use std::time::Duration;

/// A message in the making.
#[derive(Default, Clone)]
pub struct Message(Vec<u8>);

impl Message {
    fn number(mut self, mut number: u64) -> Self {
        while number >= 0x80 {
            self.0.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
            number >>= 7;
        }
        self.0.push(u8::try_from(number).expect("seven bits"));
        self
    }

    pub fn value(self, field: u64, value: u64) -> Self {
        self.number(field << 3).number(value)
    }

    pub fn bytes(self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        let mut this = self.number(field << 3 | 2).number(bytes.as_ref().len() as u64);
        this.0.extend_from_slice(bytes.as_ref());
        this
    }

    pub fn map(self, field: u64, pairs: &[(&str, &str)]) -> Self {
        pairs.iter().fold(self, |this, (key, value)| {
            this.bytes(field, Self::default().bytes(1, key).bytes(2, value))
        })
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Calls one method of the runtime's service.
pub fn call(socket: &Path, method: &str, message: &Message) -> Result<Vec<u8>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let limit = Duration::from_secs(30);
    runtime.expect("a runtime").block_on(async {
        let asked = tokio::time::timeout(limit, exchange(socket, method, message)).await;
        asked.map_err(|e| e.to_string())?
    })
}

async fn exchange(socket: &Path, method: &str, message: &Message) -> Result<Vec<u8>, String> {
    let stream = tokio::net::UnixStream::connect(socket).await.map_err(|e| e.to_string())?;
    let (send, connection) = h2::client::handshake(stream).await.map_err(|e| e.to_string())?;
    let connection = tokio::spawn(connection);
    let request =
        http::Request::post(format!("http://localhost/runtime.v1.RuntimeService/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("a request");
    let mut send = send.ready().await.map_err(|e| e.to_string())?;
    let (answer, mut stream) = send.send_request(request, false).map_err(|e| e.to_string())?;
    let len = u32::try_from(message.0.len()).expect("short").to_be_bytes();
    let framed = [&[0][..], &len, &message.0].concat();
    stream.send_data(framed.into(), true).map_err(|e| e.to_string())?;
    let answer = answer.await.map_err(|e| e.to_string())?;
    let (head, mut body) = answer.into_parts();
    let mut bytes = Vec::new();
    while let Some(more) = body.data().await {
        bytes.extend_from_slice(&more.map_err(|e| e.to_string())?);
    }
    let trailers = body.trailers().await.map_err(|e| e.to_string())?.unwrap_or_default();
    connection.abort();
    let field = |name| trailers.get(name).or(head.headers.get(name)).cloned();
    match field("grpc-status") {
        Some(code) if code == "0" => Ok(bytes.split_off(5)),
        code => Err(format!("{method}: {code:?} {:?}", field("grpc-message"))),
    }
}

/// The text in field 1, which is how the runtime answers with a number.
pub fn first_text(message: &[u8]) -> String {
    let len = usize::from(message[1]);
    assert_eq!((message[0], len < 0x80), (0x0a, true), "{message:?}");
    String::from_utf8(message[2..2 + len].to_vec()).expect("text")
}

/// What the engine says beyond the CRI, cut out of the verbose status.
pub fn info(message: &[u8]) -> serde_json::Value {
    let at = message.windows(2).position(|two| two == b"{\"").expect("JSON");
    let mut values = serde_json::Deserializer::from_slice(&message[at..]).into_iter();
    values.next().expect("a value").expect("JSON")
}
