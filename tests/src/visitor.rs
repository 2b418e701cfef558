//! A visitor of the console: a browser without a screen. It keeps cookies, and goes where it is led only if asked.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};
use stack::services::Service;

use crate::api::Answer;

/// How often a visitor is led on before that is a circle.
const LED_ON_MAX: usize = 10;

/// The port of a console in the settings that it starts with.
pub const BEFORE_IT_HAS_A_PORT: u16 = 1;

#[derive(Clone)]
pub struct Visitor {
    http: Client,
    base: Url,
    /// By host with port, as only a console has them here, and name.
    cookies: BTreeMap<String, String>,
    /// The lines that set cookies, as they came.
    pub set: Vec<String>,
}

impl Visitor {
    pub fn of(console: &Service) -> Self {
        let http = console.access().client().expect("a client can be made");
        let http = http.redirect(Policy::none()).build().expect("a client can be made");
        let base = console.url().parse().expect("a URL");
        Self { http, base, cookies: BTreeMap::new(), set: Vec::new() }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// Sends a form from one of the console's pages.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let url = Url::parse_with_params("http://localhost/", fields).expect("fields");
        self.send(Method::POST, path, Some(url.query().unwrap_or_default().to_owned())).await
    }

    /// Gets a page, and those that it leads to, also at other hosts.
    pub async fn follow(&mut self, path: &str) -> Answer {
        let mut to = path.to_owned();
        for _ in 0..LED_ON_MAX {
            let answer = self.get(&to).await;
            match answer.header("location") {
                Some(next) => to = next.to_owned(),
                None => return answer,
            }
        }
        panic!("{path} leads in a circle");
    }

    /// Signs in with a key, and returns the answer.
    pub async fn sign_in(&mut self, key: &str, to: &str) -> Answer {
        let page = self.get(&format!("/sign-in?to={to}")).await.expect_status(200);
        let token = hidden(&page, "form_token");
        self.post("/sign-in", &[("form_token", &token), ("key", key), ("to", to)]).await
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    async fn send(&mut self, method: Method, path: &str, form: Option<String>) -> Answer {
        let mut url = self.base.join(path).expect("a path or a URL");
        // An issuer whose settings name the console before it has a port leads there.
        if url.port() == Some(BEFORE_IT_HAS_A_PORT) {
            url.set_port(self.base.port()).expect("a URL with a host");
        }
        let is_own = url.origin() == self.base.origin();
        let mut request = self.http.request(method.clone(), url.clone());
        if is_own {
            let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
            request = request.header(COOKIE, pairs.collect::<Vec<_>>().join("; "));
        }
        if let Some(form) = form {
            let own = ("sec-fetch-site", "same-origin");
            let kind = ("content-type", "application/x-www-form-urlencoded");
            request = request.header(own.0, own.1).header(kind.0, kind.1).body(form);
        }
        let response = request.send().await.expect("there is an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.expect("the answer ends");
        if is_own {
            for line in headers.get_all(SET_COOKIE) {
                self.keep(line.to_str().expect("a cookie is ASCII"));
            }
        }
        // Where an answer leads to is relative to where it came from.
        let mut headers = headers;
        if let Some(next) = headers.get(LOCATION).and_then(|next| next.to_str().ok()) {
            let next = url.join(next).expect("a URL").to_string().parse().expect("ASCII");
            headers.insert(LOCATION, next);
        }
        Answer { asked: format!("{method} {path}"), status, headers, body }
    }

    fn keep(&mut self, line: &str) {
        self.set.push(line.to_owned());
        let (name, rest) = line.split_once('=').expect("a cookie has a value");
        let value = rest.split(';').next().unwrap_or_default();
        if line.ends_with("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// The value of a field that a page does not show.
#[track_caller]
pub fn hidden(page: &Answer, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.body.split_once(&start).unwrap_or_else(|| panic!("{name}: {}", page.body));
    rest.split('"').next().expect("a value").to_owned()
}
