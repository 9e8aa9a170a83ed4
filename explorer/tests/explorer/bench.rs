//! An explorer without sockets: an index on disk, an indexer stepped by hand, pages asked in process.

use crate::node::Node;
use alloy_primitives::B256;
use atoll_explorer::{AppState, ExplorerError, Index, Indexer, Live, Nodes, RpcClient, State, app};
use atoll_kv::Engine;
use axum::{Router, body::Body, http::Request};
use http_body_util::BodyExt;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub struct Bench {
    pub index: Index,
    pub live: Arc<Live>,
    pub indexer: Indexer,
    pub app: Router,
    pub stop: CancellationToken,
}

pub struct Page {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub body: String,
}

impl Bench {
    pub fn open(dir: &Path, nodes: &[&Node]) -> Self {
        let index = Index::open(dir, Engine::Redb, 1 << 20).unwrap();
        let state = index.state().unwrap();
        let client = RpcClient::new().unwrap();
        let live = Live::new(client.clone(), state.clone());
        let fixed = nodes.iter().map(|node| node.url.clone()).collect();
        let choice = Nodes::new(client.clone(), state.map(|state| state.genesis));
        // Kept open by the receiver alone: nothing more is ever found.
        let (_, found) = watch::channel(Vec::new());
        let indexer = Indexer::new(index.clone(), live.clone(), client, choice, (fixed, found), dir.to_owned());
        let stop = CancellationToken::new();
        let app = app(AppState::new(index.clone(), live.clone(), "Test explorer".to_owned(), stop.clone()));
        Self { index, live, indexer, app, stop }
    }

    pub fn state(&self) -> State {
        self.index.state().unwrap().unwrap()
    }

    /// Steps until the index is at this block.
    pub async fn reach(&mut self, hash: B256) {
        self.until(|bench| bench.index.state().unwrap().is_some_and(|state| state.head.hash == hash)).await;
    }

    pub async fn until(&mut self, done: impl Fn(&Self) -> bool) {
        // Longer than any back-off; a broken indexer fails here instead of hanging.
        for _ in 0..1_500 {
            if done(self) {
                return;
            }
            if !self.indexer.step().await.unwrap() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        panic!("not reached; the index is at {:?}", self.index.state());
    }

    pub async fn fails(&mut self) -> ExplorerError {
        for _ in 0..500 {
            if let Err(error) = self.indexer.step().await {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it goes on");
    }

    pub async fn get(&self, path: &str) -> Page {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Page { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub async fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(&self.get(path).await.body).unwrap()
    }
}
