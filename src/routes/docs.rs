//! The interface, described by itself: the OpenAPI document, and a page to read it on that needs
//! no script and nothing from elsewhere.

use crate::router::openapi;
use axum::{
    http::header,
    response::{Html, IntoResponse},
};
use serde_json::Value;
use std::{fmt::Write as _, sync::LazyLock};
use utoipa::openapi::OpenApi;

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| openapi().to_pretty_json().unwrap_or_default());
static PAGE: LazyLock<String> = LazyLock::new(|| render(&openapi()));

/// The OpenAPI document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "open",
    responses((status = 200, description = "This document.")),
)]
pub async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

/// The document as a page.
#[utoipa::path(
    get, path = "/docs", tag = "open", responses((status = 200, description = "The page.")),
)]
pub async fn page() -> Html<&'static str> {
    Html(PAGE.as_str())
}

/// The page's style.
pub async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("docs/style.css"))
}

fn render(api: &OpenApi) -> String {
    let api = serde_json::to_value(api).unwrap_or_default();
    let mut page = String::from(include_str!("docs/head.html"));
    for paragraph in string(&api["info"]["description"]).split("\n\n") {
        let _ = write!(page, "<p>{}</p>", text(paragraph));
    }
    for tag in items(&api["tags"]) {
        let (name, about) = (string(&tag["name"]), string(&tag["description"]));
        let _ = write!(page, "<h2>The {} half</h2><p>{}</p>", text(name), text(about));
        for (path, item) in members(&api["paths"]) {
            for (method, one) in members(item) {
                if items(&one["tags"]).any(|tag| tag == name) {
                    operation(&mut page, &method.to_uppercase(), path, one);
                }
            }
        }
    }
    page.push_str("<h2>Bodies</h2>");
    for (name, one) in members(&api["components"]["schemas"]) {
        schema(&mut page, name, one);
    }
    page.push_str("</main></body></html>\n");
    page
}

fn operation(page: &mut String, method: &str, path: &str, operation: &Value) {
    let _ = write!(page, "<section><h3><code>{method} {}</code></h3>", text(path));
    for part in ["summary", "description"] {
        if let Some(part) = operation[part].as_str() {
            let _ = write!(page, "<p>{}</p>", text(part));
        }
    }
    page.push_str("<dl>");
    for one in items(&operation["parameters"]) {
        let name = format!("<code>{}</code>", text(string(&one["name"])));
        entry(page, &name, &one["schema"], string(&one["description"]));
    }
    if let Some(body) = operation.get("requestBody") {
        entry(page, "Body", content(body), string(&body["description"]));
    }
    for (status, one) in members(&operation["responses"]) {
        entry(page, &text(status), content(one), string(&one["description"]));
    }
    page.push_str("</dl></section>");
}

fn schema(page: &mut String, name: &str, schema: &Value) {
    let (name, about) = (text(name), text(string(&schema["description"])));
    let _ = write!(page, "<section><h3 id=\"{name}\"><code>{name}</code></h3><p>{about}</p>");
    if schema.get("properties").is_some() {
        page.push_str("<dl>");
        for (field, one) in members(&schema["properties"]) {
            let required = items(&schema["required"]).any(|name| name == field);
            let optional = if required { "" } else { " (optional)" };
            let name = format!("<code>{}</code>{optional}", text(field));
            entry(page, &name, one, string(&one["description"]));
        }
        page.push_str("</dl>");
    } else {
        let shown = serde_json::to_string_pretty(schema).unwrap_or_default();
        let _ = write!(page, "<pre>{}</pre>", text(&shown));
    }
    page.push_str("</section>");
}

fn entry(page: &mut String, name: &str, schema: &Value, about: &str) {
    let _ = write!(page, "<dt>{name}</dt><dd>{} {}</dd>", kind(schema), text(about));
}

/// The schema of the first content type.
fn content(body: &Value) -> &Value {
    members(&body["content"]).next().map_or(&Value::Null, |(_, content)| &content["schema"])
}

/// A schema in a word: a link to its description, or its plain type.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let name = text(name);
        return format!("<a href=\"#{name}\"><code>{name}</code></a>");
    }
    if schema.get("oneOf").is_some() {
        return items(&schema["oneOf"]).map(kind).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(array) if array == "array" => format!("array of {}", kind(&schema["items"])),
        Value::String(plain) => text(plain),
        several => text(&items(several).map(string).collect::<Vec<_>>().join(" or ")),
    }
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Text for HTML; what stands in backticks is code.
fn text(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let mut code = false;
    let mut parts = escaped.split('`');
    let first = parts.next().unwrap_or_default().to_owned();
    let mut html = parts.fold(first, |html, part| {
        code = !code;
        html + if code { "<code>" } else { "</code>" } + part
    });
    if code {
        html.push_str("</code>");
    }
    html
}
