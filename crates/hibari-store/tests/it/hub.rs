//! A hub that serves one model over plain HTTP, and does wrong as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use sha2::{Digest, Sha256};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What goes wrong at the next request for the large file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The connection breaks after so many bytes.
    Drop(usize),
    /// All of the file is sent, whatever range is asked for.
    IgnoreRange,
    /// One bit is another.
    Flip,
    /// Only a status.
    Status(u16),
    /// It is elsewhere.
    Redirect,
}

struct Shared {
    files: Vec<(&'static str, Vec<u8>)>,
    faults: Mutex<Vec<Fault>>,
    sent: Mutex<u64>,
    large: Mutex<u64>,
}

pub(crate) struct FakeHub {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn git_sha1(bytes: &[u8]) -> String {
    let head = format!("blob {}\0", bytes.len());
    let hash = <sha1::Sha1 as sha1::Digest>::digest([head.as_bytes(), bytes].concat());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl FakeHub {
    pub(crate) fn start(files: Vec<(&'static str, Vec<u8>)>, faults: Vec<Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            files,
            faults: Mutex::new(faults),
            sent: Mutex::default(),
            large: Mutex::default(),
        });
        let (served, own) = (shared.clone(), url.clone());
        let serve = move || {
            for stream in listener.incoming() {
                // A client that goes away is the client's business.
                drop(answer(&served, &own, stream.unwrap()));
            }
        };
        thread::Builder::new().name("fake hub".into()).spawn(serve).unwrap();
        Self { url, shared }
    }

    pub(crate) fn faults_left(&self) -> usize {
        self.shared.faults.lock().unwrap().len()
    }

    pub(crate) fn bytes_sent(&self) -> u64 {
        *self.shared.sent.lock().unwrap()
    }

    pub(crate) fn body_bytes_of_large(&self) -> u64 {
        *self.shared.large.lock().unwrap()
    }
}

fn answer(shared: &Shared, url: &str, stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut range = None;
    for line in lines {
        let line = line?.to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(bytes) = line.strip_prefix("range: bytes=") {
            let (start, end) = bytes.split_once('-').unwrap();
            range = Some((start.parse::<usize>().unwrap(), end.parse::<usize>().unwrap() + 1));
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut reply = Reply { shared, stream };
    if path == "/api/models/owner/model/revision/main"
        || path == format!("/api/models/owner/model/revision/{COMMIT}")
    {
        return reply.send(200, "", format!(r#"{{"sha": "{COMMIT}"}}"#).as_bytes());
    }
    if let Some(page) =
        path.strip_prefix(&format!("/api/models/owner/model/tree/{COMMIT}?recursive=true"))
    {
        return tree(&mut reply, url, page);
    }
    let file = ["/owner/model/resolve", "/elsewhere"].iter().find_map(|root| {
        let name = path.strip_prefix(&format!("{root}/{COMMIT}/"))?;
        shared.files.iter().find(|(own, _)| *own == name)
    });
    match file {
        None => reply.send(404, "", b"no"),
        Some((name, bytes)) => send_file(&mut reply, name, bytes, range),
    }
}

/// Two pages.
fn tree(reply: &mut Reply<'_>, url: &str, page: &str) -> std::io::Result<()> {
    let entry = |(name, bytes): &(&str, Vec<u8>)| {
        let (size, sha1) = (bytes.len(), git_sha1(bytes));
        let lfs = match size > 1000 {
            true => format!(r#", "lfs": {{"oid": "{}", "size": {size}}}"#, sha256(bytes)),
            false => String::new(),
        };
        format!(r#"{{"type": "file", "path": "{name}", "size": {size}, "oid": "{sha1}"{lfs}}}"#)
    };
    let entries: Vec<String> = reply.shared.files.iter().map(entry).collect();
    let (first, second) = entries.split_at(2);
    if page.is_empty() {
        let next = format!("{url}/api/models/owner/model/tree/{COMMIT}?recursive=true&cursor=2");
        let folder = r#"{"type": "directory", "path": "transformer", "size": 0, "oid": "00"}"#;
        let body = format!("[{folder}, {}]", first.join(", "));
        return reply.send(200, &format!("Link: <{next}>; rel=\"next\"\r\n"), body.as_bytes());
    }
    reply.send(200, "", format!("[{}]", second.join(", ")).as_bytes())
}

fn send_file(
    reply: &mut Reply<'_>,
    name: &str,
    bytes: &[u8],
    range: Option<(usize, usize)>,
) -> std::io::Result<()> {
    let is_large = bytes.len() > 1000;
    let fault = {
        let mut faults = reply.shared.faults.lock().unwrap();
        (is_large && !faults.is_empty()).then(|| faults.remove(0))
    };
    let (start, end) = range.unwrap_or((0, bytes.len()));
    let body = &bytes[start..end.min(bytes.len())];
    if is_large && !matches!(fault, Some(Fault::Status(_) | Fault::Redirect)) {
        *reply.shared.large.lock().unwrap() += body.len() as u64;
    }
    match fault {
        Some(Fault::Status(status)) => reply.send(status, "", b"no"),
        Some(Fault::Redirect) => {
            reply.send(302, &format!("Location: /elsewhere/{COMMIT}/{name}\r\n"), b"")
        }
        Some(Fault::IgnoreRange) => reply.send(200, "", bytes),
        Some(Fault::Flip) => {
            let mut body = body.to_vec();
            body[1000] ^= 4;
            reply.send(206, "", &body)
        }
        Some(Fault::Drop(at)) => reply.send_some(206, "", body, at.min(body.len())),
        None => reply.send(206, "", body),
    }
}

struct Reply<'a> {
    shared: &'a Shared,
    stream: TcpStream,
}

impl Reply<'_> {
    fn send(&mut self, status: u16, headers: &str, body: &[u8]) -> std::io::Result<()> {
        self.send_some(status, headers, body, body.len())
    }

    fn send_some(
        &mut self,
        status: u16,
        headers: &str,
        body: &[u8],
        n: usize,
    ) -> std::io::Result<()> {
        let len = body.len();
        write!(
            self.stream,
            "HTTP/1.1 {status} x\r\nContent-Length: {len}\r\nConnection: close\r\n{headers}\r\n"
        )?;
        *self.shared.sent.lock().unwrap() += n as u64;
        self.stream.write_all(&body[..n])?;
        self.stream.flush()
    }
}
