//! A client with as much HTTP/1.1 as the tests need: a connection per request, and a cookie jar.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long a response may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) jar: BTreeMap<String, String>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A request that was sent.
pub(crate) struct Sent(BufReader<TcpStream>);

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            jar: BTreeMap::new(),
        }
    }

    /// The `Cookie` header lines: one for each cookie, as HTTP/2 may send them.
    fn cookies(&self) -> String {
        let lines = self.jar.iter();
        lines
            .map(|(name, value)| format!("Cookie: {name}={value}\r\n"))
            .collect()
    }

    pub(crate) fn open(&self, method: &str, path: &str) -> Sent {
        self.open_with(method, path, self.cookies().as_bytes())
    }

    /// Sends a request with these header lines.
    pub(crate) fn open_with(&self, method: &str, path: &str, lines: &[u8]) -> Sent {
        let mut stream = TcpStream::connect(self.address).expect("a server");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        let request = [head.as_bytes(), lines, b"\r\n"].concat();
        stream
            .write_all(&request)
            .expect("the server accepts the request");
        Sent(BufReader::new(stream))
    }

    /// A complete request; `None` if the server closed the connection without a response.
    pub(crate) fn try_get(&mut self, path: &str) -> Option<Answer> {
        let answer = self.open("GET", path).answer()?;
        self.receive(&answer);
        Some(answer)
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.try_get(path).expect("an answer")
    }

    /// The body of a 200 response from a path.
    pub(crate) fn text(&mut self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// Stores the cookies of a response in the jar.
    pub(crate) fn receive(&mut self, answer: &Answer) {
        for cookie in answer.all("set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').expect("a name and a value");
            match attributes.contains("Max-Age=0") {
                true => self.jar.remove(name),
                false => self.jar.insert(name.to_owned(), value.to_owned()),
            };
        }
    }
}

impl Sent {
    /// Waits for the response's head, and returns its status and headers.
    pub(crate) fn head(&mut self) -> Option<Answer> {
        let mut line = String::new();
        if self.0.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let mut answer = Answer {
            status: status.unwrap_or_else(|| panic!("no status line: {line}")),
            headers: Vec::new(),
            body: String::new(),
        };
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("a complete head");
            let Some((name, value)) = line.trim_end().split_once(':') else {
                return Some(answer);
            };
            let value = value.trim().to_owned();
            answer.headers.push((name.to_ascii_lowercase(), value));
        }
    }

    /// Waits for the complete response.
    pub(crate) fn answer(mut self) -> Option<Answer> {
        let mut answer = self.head()?;
        answer.body = self.body(&answer);
        Some(answer)
    }

    /// The rest of the response after the head.
    pub(crate) fn body(mut self, head: &Answer) -> String {
        let mut raw = Vec::new();
        self.0.read_to_end(&mut raw).expect("a complete body");
        let mut raw = String::from_utf8(raw).expect("text");
        if head.first("transfer-encoding") == Some("chunked") {
            let mut body = String::new();
            while let Some((size, rest)) = raw.split_once("\r\n") {
                let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
                body += &rest[..size];
                raw = rest[size..].trim_start_matches("\r\n").to_owned();
            }
            raw = body;
        }
        raw
    }
}

impl Answer {
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.headers.iter().filter(move |(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn first<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Whether any line of this header has this list element.
    pub(crate) fn lists(&self, name: &str, element: &str) -> bool {
        let mut elements = self.all(name).flat_map(|line| line.split(','));
        elements.any(|one| one.trim().eq_ignore_ascii_case(element))
    }
}
