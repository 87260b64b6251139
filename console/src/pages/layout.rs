//! The frame of all pages.

use super::scopes::{READ_DELIVERIES, READ_EVENTS};
use super::{assets, brand};
use crate::database::Access;
use crate::scope::Scope;
use maud::{DOCTYPE, Markup, html};
use uuid::Uuid;

/// A part of the console: its word, its path below the tenant's, and the scope that it needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Overview,
    Subscriptions,
    Events,
    Deliveries,
    Recover,
    EventTypes,
    Templates,
    Audit,
    Tenants,
    Queue,
    Sidecars,
    Alerts,
    Doctor,
    Settings,
}

const OF_A_TENANT: [Section; 8] = [
    Section::Overview,
    Section::Subscriptions,
    Section::Events,
    Section::Deliveries,
    Section::Recover,
    Section::EventTypes,
    Section::Templates,
    Section::Audit,
];
const OF_OPERATORS: [Section; 6] = [
    Section::Tenants,
    Section::Queue,
    Section::Sidecars,
    Section::Alerts,
    Section::Doctor,
    Section::Settings,
];

impl Section {
    fn word(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Subscriptions => "Subscriptions",
            Self::Events => "Events",
            Self::Deliveries => "Deliveries",
            Self::Recover => "Recover",
            Self::EventTypes => "Event types",
            Self::Templates => "Templates",
            Self::Audit => "Audit",
            Self::Tenants => "Tenants",
            Self::Queue => "Queue",
            Self::Sidecars => "Sidecars",
            Self::Alerts => "Alerts",
            Self::Doctor => "Doctor",
            Self::Settings => "Settings",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Subscriptions => "/subscriptions",
            Self::Events => "/events",
            Self::Deliveries => "/deliveries",
            Self::Recover => "/recover",
            Self::EventTypes => "/event-types",
            Self::Templates => "/templates",
            Self::Audit => "/audit",
            Self::Tenants => "/tenants",
            Self::Queue => "/queue",
            Self::Sidecars => "/sidecars",
            Self::Alerts => "/alerts",
            Self::Doctor => "/doctor",
            Self::Settings => "/settings",
        }
    }

    /// The scope that its page reads with.
    fn scope(self) -> Scope {
        match self {
            Self::Overview => Scope::ReadMetrics,
            Self::Subscriptions | Self::Deliveries | Self::Templates => Scope::ReadSubscriptions,
            Self::Recover => Scope::Retry,
            Self::Events | Self::EventTypes => Scope::ReadEvents,
            Self::Audit => Scope::ReadAudit,
            _ => Scope::Operate,
        }
    }
}

/// What a page has around its content.
pub struct Frame<'a> {
    pub title: &'a str,
    /// `None`: the page is in no section.
    pub section: Option<Section>,
    /// The tenant whose pages these are; `None`: a page of operators, of no tenant.
    pub tenant: Option<Uuid>,
    pub access: &'a Access,
    pub csrf: &'a str,
}

/// The path of a page of a tenant.
pub fn path(tenant: Uuid, rest: &str) -> String {
    format!("/t/{tenant}{rest}")
}

/// Sections, each with its path.
type Tabs = Vec<(Section, String)>;

/// The sections of a tenant, and those of operators, that a session may see: each with its path.
fn sections(access: &Access, tenant: Option<Uuid>) -> (Tabs, Tabs) {
    let may = |section: &&Section| access.may(section.scope());
    let of_tenant = tenant.map(|tenant| {
        let sections = OF_A_TENANT.iter().filter(may);
        sections
            .map(|section| (*section, path(tenant, section.path())))
            .collect()
    });
    let of_operators = OF_OPERATORS
        .iter()
        .filter(|_| access.is_operator)
        .filter(may);
    let path = |section: &Section| (*section, format!("/operator{}", section.path()));
    (
        of_tenant.unwrap_or_default(),
        of_operators.map(path).collect(),
    )
}

/// The path of the first page that a session may see, if it may see any.
pub fn first(access: &Access, tenant: Option<Uuid>) -> Option<String> {
    let (of_tenant, of_operators) = sections(access, tenant);
    let mut all = of_tenant.into_iter().chain(of_operators);
    all.next().map(|(_, path)| path)
}

/// A whole page.
pub fn page(frame: &Frame<'_>, content: &Markup) -> Markup {
    let (of_tenant, of_operators) = sections(frame.access, frame.tenant);
    let may_search = [READ_EVENTS, READ_DELIVERIES]
        .iter()
        .any(|scope| frame.access.may(*scope));
    let tab = |section: Section, path: &str| {
        let current = (Some(section) == frame.section).then_some("page");
        html! { a href=(path) aria-current=[current] { (section.word()) } }
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(frame.title))
            body {
                a.skip href="#content" { "Skip to the content" }
                header.top {
                    a.brand href="/" { (brand::mark()) }
                    @if let Some(tenant) = frame.tenant {
                        @if frame.access.is_operator {
                            span { "tenant " span.id title=(tenant) { (&tenant.to_string()[..8]) } " "
                                a href=(other_tenant(frame.access)) { "change" } }
                        }
                        @if may_search {
                            form.search role="search" action=(path(tenant, "/search")) {
                                label.visually-hidden for="search" { "Search by id, type, resource or key" }
                                input #search type="search" name="q" placeholder="id, type, resource, key" autocomplete="off";
                            }
                        }
                    }
                    @if frame.access.is_read_only { span.muted { "read-only" } }
                    button type="button" data-theme-switch aria-label="Switch between light and dark" { "◐" }
                    (log_out(frame.csrf))
                }
                nav.sections aria-label="Sections" {
                    @for (section, path) in &of_tenant { (tab(*section, path)) }
                    @if !of_operators.is_empty() {
                        span.operator { "Operator:" }
                        @for (section, path) in &of_operators { (tab(*section, path)) }
                    }
                }
                // What a script could not do is told here.
                div #trouble role="alert" {}
                main #content { (content) }
            }
        }
    }
}

/// Where another tenant is chosen.
fn other_tenant(access: &Access) -> &'static str {
    match access.may(Section::Tenants.scope()) {
        true => "/operator/tenants",
        false => "/",
    }
}

/// The button that ends the session.
pub fn log_out(csrf: &str) -> Markup {
    html! {
        form method="post" action="/logout" {
            input type="hidden" name="csrf" value=(csrf);
            button type="submit" { "Log out" }
        }
    }
}

/// A page for who has no session, and for errors of which nothing more is known.
pub fn bare(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body { main.bare #content { (content) } }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            // Styles and scripts are files alone: see the Content-Security-Policy.
            meta name="htmx-config" content=r#"{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true}"#;
            title { (title) " · " (brand::name()) }
            // None: browsers ask for one otherwise.
            link rel="icon" href="data:,";
            link rel="stylesheet" href=(assets::url("style.css"));
            link rel="stylesheet" href="/brand.css";
            script src=(assets::url("console.js")) {}
            script src=(assets::url("trouble.js")) {}
            script src=(assets::url("renewal.js")) {}
            script src=(assets::url("htmx.min.js")) defer {}
        }
    }
}
