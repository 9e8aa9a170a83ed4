//! What a page shows when there is nothing to show, or when it broke. Reasons go to the log, not to the browser.

use super::{AppState, parts::Layout};
use crate::error::IndexError;
use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

/// Why a page cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No such thing.
    #[error("no {what} {sought}")]
    NotFound {
        /// A kind of thing: block, transaction …
        what: &'static str,
        /// What was asked for, as it was typed; empty if that says nothing.
        sought: String,
    },
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The template failed.
    #[error("a page cannot be rendered")]
    Template(#[from] askama::Error),
    /// A thread died.
    #[error("reading the index was interrupted")]
    Interrupted,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    layout: Layout,
    code: u16,
    heading: String,
    sought: String,
    not_found: bool,
}

impl Failure {
    /// Status code, after what is wrong with us was logged.
    fn status(&self) -> StatusCode {
        if let Self::NotFound { .. } = self {
            return StatusCode::NOT_FOUND;
        }
        self.log();
        StatusCode::INTERNAL_SERVER_ERROR
    }

    /// Tells the operator.
    pub fn log(&self) {
        let source = std::error::Error::source(self).map(ToString::to_string);
        tracing::error!(error = %self, source, "a page failed");
    }

    /// As a page.
    pub fn page(self, app: &AppState) -> Response {
        let status = self.status();
        let (heading, sought, not_found) = match self {
            Self::NotFound { what, sought } => {
                // Nothing honest is longer than a hash by much.
                (format!("No such {what}"), sought.chars().take(100).collect(), true)
            }
            _ => ("Something broke".to_owned(), String::new(), false),
        };
        let mut layout = Layout::new(app, &heading, "");
        layout.query.clone_from(&sought);
        let page = FailurePage { layout, code: status.as_u16(), heading, sought, not_found };
        match page.render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => status.into_response(),
        }
    }

    /// As JSON.
    pub fn json(&self) -> Response {
        let status = self.status();
        let message = match self {
            Self::NotFound { .. } => self.to_string(),
            _ => "internal error".to_owned(),
        };
        (status, axum::Json(serde_json::json!({ "error": message }))).into_response()
    }
}

impl AppState {
    /// A rendered page, or the page that says why there is none.
    pub fn answer<T: Template>(&self, page: Result<T, Failure>) -> Response {
        match page.and_then(|page| Ok(page.render()?)) {
            Ok(html) => Html(html).into_response(),
            Err(failure) => failure.page(self),
        }
    }
}
