//! What a hub says of a model, and ranges of its files.

use std::io::Read;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::StoreError;

/// The most that an answer about a model may be.
const MAX_ANSWER_BYTES: u64 = 64 << 20;
/// Pages of a list of files.
const MAX_PAGES: usize = 1000;
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// A hub of models.
#[derive(Clone, Debug)]
pub struct Hub {
    url: String,
    token: Option<String>,
    agent: Agent,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteFile {
    pub(crate) path: String,
    pub(crate) size: u64,
    /// Its SHA-256, or SHA-1 as git counts it.
    pub(crate) hash: String,
}

#[derive(Deserialize)]
struct Revision {
    sha: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    oid: String,
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    oid: String,
    size: u64,
}

impl Hub {
    /// The hub at `url`, asked with `token` if there is one.
    #[must_use]
    pub fn new(url: &str, token: Option<String>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .user_agent(concat!("hibari/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { url: url.trim_end_matches('/').to_owned(), token, agent: config.into() }
    }

    /// The commit that a revision is now.
    pub(crate) fn commit(&self, id: &str, revision: &str) -> Result<String, StoreError> {
        let url = format!("{}/api/models/{id}/revision/{revision}", self.url);
        let (Revision { sha }, _) = self.json(&url, id)?;
        if sha.len() == 40 && sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(sha);
        }
        Err(StoreError::Answer { what: id.into(), reason: format!("`{sha}` is no commit") })
    }

    /// All files of a commit.
    pub(crate) fn files(&self, id: &str, commit: &str) -> Result<Vec<RemoteFile>, StoreError> {
        let mut url = format!("{}/api/models/{id}/tree/{commit}?recursive=true", self.url);
        let mut files = Vec::new();
        for _ in 0..MAX_PAGES {
            let (entries, next): (Vec<Entry>, _) = self.json(&url, id)?;
            for Entry { kind, path, size, oid, lfs } in entries {
                if kind != "file" {
                    continue;
                }
                let (hash, size) = lfs.map_or((oid, size), |large| (large.oid, large.size));
                let is_hash = [40, 64].contains(&hash.len())
                    && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
                let is_inside = path.split('/').all(|part| !["", ".", ".."].contains(&part))
                    && !path.contains(['\\', '\0', ':']);
                if !is_hash || !is_inside {
                    let reason = format!("it lists the file `{path}` with the hash `{hash}`");
                    return Err(StoreError::Answer { what: id.into(), reason });
                }
                files.push(RemoteFile { path, size, hash });
            }
            let Some(next) = next else { return Ok(files) };
            url = next;
        }
        Err(StoreError::Answer { what: id.into(), reason: "its list of files has no end".into() })
    }

    /// The bytes of a file from `start` to before `end`, and whether they are: some hubs send all of it.
    pub(crate) fn range(
        &self,
        id: &str,
        commit: &str,
        path: &str,
        [start, end]: [u64; 2],
    ) -> Result<(bool, Box<dyn Read>), StoreError> {
        let url = format!("{}/{id}/resolve/{commit}/{path}", self.url);
        let response = self.get(&url, path, Some([start, end]))?;
        let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
        Ok((is_part, Box::new(response.into_body().into_reader())))
    }

    fn json<T: DeserializeOwned>(
        &self,
        url: &str,
        what: &str,
    ) -> Result<(T, Option<String>), StoreError> {
        let mut response = self.get(url, what, None)?;
        let next = response.headers().get("link").and_then(|link| next_page(link.to_str().ok()?));
        let wrong = |reason: String| StoreError::Answer { what: what.into(), reason };
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
        let body = body.map_err(|error| StoreError::Connection {
            what: what.into(),
            reason: error.to_string(),
        })?;
        Ok((serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?, next))
    }

    fn get(
        &self,
        url: &str,
        what: &str,
        range: Option<[u64; 2]>,
    ) -> Result<Response<Body>, StoreError> {
        let mut request = self.agent.get(url);
        // The agent leaves the token out where it is sent on to another host.
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some([start, end]) = range {
            request = request.header("range", format!("bytes={start}-{}", end - 1));
        }
        let failed = |reason: String| StoreError::Connection { what: what.into(), reason };
        let response = request.call().map_err(|error| failed(error.to_string()))?;
        match response.status().as_u16() {
            200 | 206 => Ok(response),
            status @ (401 | 403) => Err(StoreError::Refused { what: what.into(), status }),
            404 => Err(StoreError::Missing { what: what.into() }),
            status @ (429 | 500..) => Err(failed(format!("it answers with status {status}"))),
            status => {
                Err(StoreError::Answer { what: what.into(), reason: format!("status {status}") })
            }
        }
    }
}

/// The address of `rel="next"` in a `Link` header.
fn next_page(link: &str) -> Option<String> {
    link.split(',').find_map(|part| {
        let (url, rest) = part.trim().strip_prefix('<')?.split_once('>')?;
        rest.contains("rel=\"next\"").then(|| url.to_owned())
    })
}
