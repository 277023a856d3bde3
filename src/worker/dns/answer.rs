//! One query and its answer: from the cluster's names, or from the servers that the host asks.

use super::upstream::{Found, Upstream};
use crate::plan::network::names::{Answer, Data, Kind, Names, Record as Known};
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{
    Edns, Header, HeaderCounts, MessageType, Metadata, OpCode, ResponseCode,
};
use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT};
use hickory_server::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, RwLock};

/// Seconds that an answer of ours may be remembered, also one that there is no such name: pods come and go.
const TTL: u32 = 5;
/// Names that lead to names that lead to names.
const LONGEST_CHAIN: usize = 8;
/// The largest datagram of ours. Between pods and host all arrives in one piece.
const LARGEST: u16 = 4096;

/// Answers queries.
pub(super) struct Answers {
    names: Arc<RwLock<Arc<Names>>>,
    upstream: Upstream,
}

/// An answer before it is written.
#[derive(Debug, Default)]
struct Reply {
    code: Option<ResponseCode>,
    ours: bool,
    answers: Vec<Record>,
    authority: Vec<Record>,
    extra: Vec<Record>,
}

impl Reply {
    fn refusal(code: ResponseCode) -> Self {
        let code = Some(code);
        Self {
            code,
            ..Self::default()
        }
    }
}

impl Answers {
    pub(super) fn new(names: Arc<RwLock<Arc<Names>>>) -> Self {
        let upstream = Upstream::default();
        Self { names, upstream }
    }

    fn names(&self) -> Arc<Names> {
        let names = self
            .names
            .read()
            .unwrap_or_else(|broken| broken.into_inner());
        Arc::clone(&names)
    }

    async fn reply(&self, request: &Request) -> Reply {
        if request.metadata.op_code != OpCode::Query {
            return Reply::refusal(ResponseCode::NotImp);
        }
        let [query] = request.queries.queries() else {
            return Reply::refusal(ResponseCode::FormErr);
        };
        let kind = query.query_type();
        if query.query_class() != DNSClass::IN {
            return Reply::refusal(ResponseCode::Refused);
        }
        // Transfers are nobody's business, and ANY is of no use to anybody (RFC 8482).
        if matches!(kind, RecordType::ANY | RecordType::AXFR | RecordType::IXFR) {
            return Reply::refusal(ResponseCode::NotImp);
        }
        let mut reply = self.look_up(query.original().name().clone(), kind).await;
        // Whoever takes the first address gets another one each time.
        let spread = |record: &Record| matches!(record.data, RData::A(_) | RData::AAAA(_));
        if reply.ours && reply.answers.iter().all(spread) && !reply.answers.is_empty() {
            let by = usize::from(request.metadata.id) % reply.answers.len();
            reply.answers.rotate_left(by);
        }
        reply
    }

    /// What there is of a name, with what it leads to.
    async fn look_up(&self, name: Name, kind: RecordType) -> Reply {
        let names = self.names();
        let mut reply = Reply::default();
        let mut name = name;
        for _ in 0..LONGEST_CHAIN {
            let text = name.to_lowercase().to_ascii();
            match names.answer(text.trim_end_matches('.'), wanted(kind)) {
                Answer::Elsewhere => {
                    let found = self.upstream.look_up(name, kind).await;
                    return merge(reply, found);
                }
                Answer::Missing => {
                    reply.ours = true;
                    reply.code = Some(ResponseCode::NXDomain);
                    reply.authority.extend(start_of_authority(&names));
                    return reply;
                }
                Answer::Found { answers, extra } => {
                    reply.ours = true;
                    let last = answers.last().map(|record| record.data.clone());
                    reply
                        .answers
                        .extend(answers.iter().filter_map(|record| of(record, &name)));
                    reply
                        .extra
                        .extend(extra.iter().filter_map(|record| of(record, &name)));
                    match last {
                        Some(Data::Cname(next)) if kind != RecordType::CNAME => {
                            let Ok(next) = absolute(&next) else {
                                return reply;
                            };
                            name = next;
                        }
                        Some(_) => return reply,
                        None => {
                            let apex = text.trim_end_matches('.') == names.domain();
                            let soa = start_of_authority(&names);
                            match apex && kind == RecordType::SOA {
                                true => reply.answers.extend(soa),
                                false => reply.authority.extend(soa),
                            }
                            return reply;
                        }
                    }
                }
            }
        }
        Reply::refusal(ResponseCode::ServFail)
    }
}

fn merge(mut reply: Reply, found: Found) -> Reply {
    reply.answers.extend(found.answers);
    reply.authority.extend(found.authority);
    reply.code = Some(found.code);
    reply
}

fn wanted(kind: RecordType) -> Kind {
    match kind {
        RecordType::A => Kind::A,
        RecordType::AAAA => Kind::Aaaa,
        RecordType::SRV => Kind::Srv,
        RecordType::PTR => Kind::Ptr,
        RecordType::TXT => Kind::Txt,
        RecordType::NS => Kind::Ns,
        _ => Kind::Other,
    }
}

fn absolute(name: &str) -> Result<Name, hickory_server::proto::ProtoError> {
    let mut name = Name::from_ascii(name)?;
    name.set_fqdn(true);
    Ok(name)
}

/// A record on the wire. The name asked for is answered in the letters it was asked in.
fn of(record: &Known, asked: &Name) -> Option<Record> {
    let data = match &record.data {
        Data::Address(IpAddr::V4(address)) => RData::A(A(*address)),
        Data::Address(IpAddr::V6(address)) => RData::AAAA(AAAA(*address)),
        Data::Srv(port, target) => RData::SRV(SRV::new(0, 100, *port, absolute(target).ok()?)),
        Data::Ptr(name) => RData::PTR(PTR(absolute(name).ok()?)),
        Data::Cname(name) => RData::CNAME(CNAME(absolute(name).ok()?)),
        Data::Txt(text) => RData::TXT(TXT::new(vec![(*text).to_owned()])),
        Data::Ns(name) => RData::NS(NS(absolute(name).ok()?)),
    };
    let name = absolute(&record.name).ok()?;
    let name = if name == *asked { asked.clone() } else { name };
    Some(Record::from_rdata(name, TTL, data))
}

/// Whose the domain is; its last number says how long it may be remembered that there is no such name.
fn start_of_authority(names: &Names) -> Option<Record> {
    let domain = names.domain();
    let (server, person) = (format!("ns.dns.{domain}"), format!("hostmaster.{domain}"));
    let soa = SOA::new(
        absolute(&server).ok()?,
        absolute(&person).ok()?,
        1,
        7200,
        1800,
        86400,
        TTL,
    );
    Some(Record::from_rdata(
        absolute(domain).ok()?,
        TTL,
        RData::SOA(soa),
    ))
}

impl RequestHandler for Answers {
    fn handle_request<'this, 'request, 'future, R, T>(
        &'this self,
        request: &'request Request,
        mut handle: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'future>>
    where
        R: ResponseHandler + 'future,
        T: Time + 'future,
        'this: 'future,
        'request: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let reply = self.reply(request).await;
            let mut metadata = Metadata::response_from_request(&request.metadata);
            metadata.recursion_available = true;
            metadata.authoritative = reply.ours;
            metadata.response_code = reply.code.unwrap_or(ResponseCode::NoError);
            let edns = request.edns.as_ref().map(|theirs| {
                let mut edns = Edns::new();
                edns.set_max_payload(theirs.max_payload().clamp(512, LARGEST));
                edns
            });
            let builder = MessageResponseBuilder::new(&request.queries, edns.as_ref());
            let response = builder.build(
                metadata,
                &reply.answers,
                &reply.authority,
                std::iter::empty(),
                &reply.extra,
            );
            handle
                .send_response(response)
                .await
                .unwrap_or_else(|error| {
                    log::debug!("an answer was not sent: {error}");
                    let (id, code) = (request.metadata.id, request.metadata.op_code);
                    let metadata = Metadata::new(id, MessageType::Response, code);
                    let counts = HeaderCounts::default();
                    ResponseInfo::from(Header { metadata, counts })
                })
        })
    }
}
