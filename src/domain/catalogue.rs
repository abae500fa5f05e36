//! Adobe's error codes and what each means for a custom resource: one table, from which both the classification of failed calls and
//! the catalogue page of the documentation come.
//!
//! Sources: Adobe's "Flow Service API error messages" and "Platform troubleshooting guide". A code with a status from 500 on is only a
//! reason when it answers a read; after a write the outcome is unknown, whatever the code says.

use crate::api::condition::Reason;

use super::outcome::Class;

/// One error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The number, as Adobe's table has it: `1425` of `FLOW-1425-400`, `403025` of the gateway.
    pub number: u32,
    /// The HTTP status that it comes with.
    pub status: u16,
    /// What comes next.
    pub class: Class,
    /// The reason in conditions.
    pub reason: Reason,
    /// When Adobe answers it.
    pub when: &'static str,
}

impl Code {
    /// Whether the gateway answered, before any service was reached.
    pub fn is_gateway(&self) -> bool {
        self.number > 9999
    }
}

const fn code(number: u32, status: u16, class: Class, reason: Reason, when: &'static str) -> Code {
    Code { number, status, class, reason, when }
}

/// The request itself was wrong: nobody but the operator's authors can do something about it.
const fn defect(number: u32, status: u16, when: &'static str) -> Code {
    code(number, status, Class::Bug, Reason::InternalError, when)
}

const fn busy(number: u32, when: &'static str) -> Code {
    code(number, 400, Class::Unavailable, Reason::UpstreamBusy, when)
}

const fn refused(number: u32, when: &'static str) -> Code {
    code(number, 400, Class::Invalid, Reason::UpstreamRefused, when)
}

const fn outage(number: u32, status: u16, when: &'static str) -> Code {
    code(number, status, Class::Unavailable, Reason::UpstreamUnavailable, when)
}

const fn credentials(number: u32, status: u16, when: &'static str) -> Code {
    code(number, status, Class::Denied, Reason::PlatformCredentialsRefused, when)
}

const fn permission(number: u32, status: u16, when: &'static str) -> Code {
    code(number, status, Class::Denied, Reason::PermissionMissing, when)
}

const fn sandbox(number: u32, when: &'static str) -> Code {
    code(number, 404, Class::Invalid, Reason::SandboxNotFound, when)
}

/// Every code that Adobe documents for the gateway and for Flow Service, in numerical order.
pub const CODES: &[Code] = &[
    code(1100, 400, Class::Denied, Reason::StripeCredentialsRefused, "the provider refuses the account"),
    code(1101, 404, Class::Invalid, Reason::UpstreamRefused, "the provider does not know the resource"),
    outage(1102, 500, "the provider failed"),
    outage(1103, 503, "the provider is unavailable"),
    outage(1104, 504, "the provider did not answer in time"),
    outage(1400, 500, "Flow Service failed"),
    defect(1401, 400, "limit and count were asked for together"),
    defect(1402, 400, "a finalizing sub-operation was misused"),
    defect(1403, 400, "If-Match is missing"),
    code(1404, 412, Class::Conflict, Reason::Progressing, "If-Match is not the current version"),
    defect(1405, 400, "the body is empty"),
    defect(1406, 400, "a finalizing sub-operation was misused"),
    defect(1407, 400, "a progress sub-operation was misused"),
    defect(1408, 400, "a progress sub-operation was misused"),
    defect(1409, 400, "a progress sub-operation was misused"),
    defect(1410, 400, "a state was given for a new flow"),
    defect(1411, 400, "the path holds no id"),
    busy(1412, "the version of the mapping set is not known (yet)"),
    refused(1413, "the spec id is not known in this organisation"),
    defect(1414, 400, "the connection spec of a connection cannot change"),
    defect(1415, 400, "the connection spec has no such authentication"),
    busy(1416, "the object is in a state in which it cannot be changed or deleted"),
    permission(1417, 400, "a connection that is being set up cannot be changed with this token"),
    code(1418, 400, Class::Blocked, Reason::InUseUpstream, "flows still use the base connection"),
    code(1419, 400, Class::Invalid, Reason::RowsRefused, "the mapping could not be validated"),
    busy(1420, "the object is in transition"),
    busy(1421, "the object is in transition"),
    busy(1422, "the action does not fit the state of the flow"),
    defect(1423, 400, "a filter is wrong"),
    defect(1424, 400, "a filter is wrong"),
    code(1425, 400, Class::Invalid, Reason::SchemaMismatch, "mapping and dataset have different schemas"),
    permission(1426, 400, "this token may not write connection specs"),
    permission(1427, 400, "this token may not write runs"),
    refused(1428, "the run before this one is not known"),
    refused(1429, "the flow before this one is not known"),
    refused(1430, "the flow of the run is not known"),
    defect(1431, 400, "a policy has empty fields"),
    defect(1432, 400, "the order of a list is wrong"),
    defect(1433, 400, "the order of a list is wrong"),
    defect(1434, 400, "the patch operation is not supported"),
    defect(1435, 400, "the sub-action is not supported"),
    defect(1436, 400, "the sub-operation is not supported"),
    defect(1437, 400, "the status value is not supported"),
    defect(1438, 400, "the aggregation is not supported"),
    code(1439, 404, Class::Gone, Reason::Gone, "the object is not there, or an access label hides it"),
    defect(1440, 400, "an aggregation is wrong"),
    defect(1441, 400, "an aggregation is wrong"),
    defect(1442, 400, "an aggregation is wrong"),
    defect(1443, 400, "an aggregation is wrong"),
    busy(1444, "the flow is not pending"),
    refused(1445, "changing connections is not enabled for this organisation"),
    defect(1446, 400, "the flow id is empty"),
    code(1447, 400, Class::Blocked, Reason::InUseUpstream, "active flows still use the object"),
    defect(1448, 400, "a filter is wrong"),
    defect(1449, 400, "a filter is wrong"),
    defect(1450, 400, "a filter is wrong"),
    defect(1451, 400, "a filter is wrong"),
    defect(1452, 400, "a filter is wrong"),
    defect(1453, 400, "a filter is wrong"),
    defect(1454, 400, "a filter is wrong"),
    refused(1455, "an instruction of the patch is not possible"),
    defect(1456, 400, "the state value is not allowed"),
    busy(1457, "the object is being deleted"),
    busy(1458, "the object is being deleted"),
    credentials(2000, 401, "the token has no access to the organisation"),
    credentials(2001, 401, "the organisation is missing"),
    credentials(2002, 401, "the organisation is empty"),
    sandbox(2100, "the sandbox does not exist"),
    sandbox(2101, "the sandbox does not exist"),
    outage(2102, 500, "the sandbox service failed"),
    sandbox(2103, "the sandbox does not exist"),
    outage(2104, 500, "the sandbox service failed"),
    defect(2105, 400, "the sandbox header is missing"),
    sandbox(2106, "the organisation has no default sandbox"),
    outage(2107, 500, "the sandbox service failed"),
    outage(2108, 500, "the sandbox service failed"),
    defect(2110, 400, "a sandbox id needs another kind of token"),
    defect(2111, 400, "all sandboxes cannot be addressed at once"),
    defect(2112, 400, "all sandboxes cannot be addressed at once"),
    defect(2113, 400, "all sandboxes cannot be addressed at once"),
    credentials(2114, 400, "the token is empty"),
    credentials(2115, 400, "the token is invalid"),
    outage(2116, 500, "permissions could not be checked"),
    outage(2117, 500, "permissions could not be checked"),
    permission(2118, 403, "a permission is missing"),
    defect(2119, 400, "the spec id is missing"),
    permission(2120, 403, "a permission or an access label is missing"),
    permission(2121, 403, "the permission to manage sources is missing"),
    outage(2200, 500, "Catalog failed during validation"),
    outage(2250, 500, "Data Prep failed during validation"),
    defect(400_003, 400, "a header is missing"),
    credentials(401_013, 401, "the token is not valid (any more)"),
    credentials(403_000, 403, "the API key is missing"),
    credentials(403_003, 403, "the API key is invalid"),
    defect(403_010, 403, "the token is missing"),
    credentials(403_025, 403, "the token is not entitled for the organisation"),
    code(429_050, 429, Class::Limited, Reason::RateLimited, "too many requests"),
];

/// The entry of a code.
pub fn find(number: u32) -> Option<&'static Code> {
    CODES.binary_search_by_key(&number, |code| code.number).ok().map(|at| &CODES[at])
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_code_is_found_by_its_number() {
        for code in CODES {
            assert_eq!(find(code.number), Some(code), "the table should be in order");
        }
        assert_eq!(find(1), None);
    }

    /// Nobody may be told to wait for what only they can change, and nobody be called for what passes by itself.
    #[test]
    fn a_code_is_retried_exactly_when_time_can_help() {
        for code in CODES {
            let passes =
                matches!(code.class, Class::Unavailable | Class::Limited | Class::Conflict | Class::Blocked);
            let says_so = code.status >= 500
                || matches!(
                    code.reason,
                    Reason::UpstreamBusy | Reason::RateLimited | Reason::Progressing | Reason::InUseUpstream
                );
            assert_eq!(passes, says_so, "{code:?}");
            assert!(!code.reason.remedy().is_empty(), "{code:?}");
        }
    }

    const INTRODUCTION: &str = "\
# Reasons and error codes

<!-- Written from src/api/reason.rs and src/domain/catalogue.rs. Write it anew with: UPDATE_DOCS=1 cargo test -p aep-operator --lib catalogue -->

What a condition, an event or Adobe says, and what to do about it. Every message of the operator names the field or object, and holds
Adobe's request id where there is one.

## Classes

A class decides what the operator does next.

| class | what it means | conditions | next attempt |
|---|---|---|---|
| Blocked | another object has to change first | Ready False, Reconciling | when that object changes |
| Invalid | only a change of the spec, or of what it names, helps | Ready False, Stalled | when the spec changes, and slowly |
| Denied | credentials or permissions were refused | Ready False, Stalled | when the Secret changes, and slowly |
| Limited | a request budget is used up | unchanged; Reconciling after three in a row | after Adobe's `Retry-After`, or a backoff |
| Unavailable | Adobe or the API server did not answer; nothing was changed | unchanged; Reconciling after three in a row | backoff up to ten minutes |
| Ambiguous | a write was sent and its outcome is unknown | Reconciling | a look-up before anything else |
| Conflict | somebody else wrote in between | unchanged | at once |
| Gone | upstream lost an object | Ready False, Stalled | slowly |
| Bug | a defect of the operator | Ready False, Stalled | slowly |

";

    fn page() -> String {
        let mut page = INTRODUCTION.to_owned();
        page.push_str("## Reasons\n\n| reason | what it says | what to do |\n|---|---|---|\n");
        for reason in Reason::ALL {
            writeln!(page, "| `{reason}` | {} | {} |", reason.meaning(), reason.remedy()).unwrap();
        }
        page.push_str("\n## Codes of Flow Service\n\n");
        page.push_str("After a write, a status from 500 on is Ambiguous, whatever the code: the operator looks before it goes on.\n\n");
        table(&mut page, CODES.iter().filter(|code| !code.is_gateway()));
        page.push_str("\n## Codes of the gateway\n\n");
        table(&mut page, CODES.iter().filter(|code| code.is_gateway()));
        page.push_str("\nIMS answers a token call with OAuth errors (`invalid_client`, `invalid_scope`, …): class Denied, reason `PlatformCredentialsRefused`.\n");
        page
    }

    fn table<'c>(page: &mut String, codes: impl Iterator<Item = &'c Code>) {
        page.push_str("| code | HTTP | when | class | reason |\n|---|---|---|---|---|\n");
        for Code { number, status, class, reason, when } in codes {
            writeln!(page, "| {number} | {status} | {when} | {} | `{reason}` |", class.as_str()).unwrap();
        }
    }

    #[test]
    fn the_catalogue_page_shows_the_tables() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
        let page = page();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page, "docs/errors.md is old: run this test with UPDATE_DOCS=1");
    }
}
