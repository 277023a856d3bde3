//! NetworkAttachmentDefinitions (k8s.cni.cncf.io/v1): `spec.config` is CNI's JSON as a string, or the same as a table.

use super::field::{Field, Fields};
use super::known;
use crate::model::network::attach::Network;
use crate::source::tree::{Value, json_line};
use serde_json::Value as Json;

/// Decodes the spec.
pub fn spec(object: &mut Fields<'_>) -> Option<Network> {
    let mut f = object.require("spec")?.fields(known::NONE)?;
    let network = f.require("config").and_then(|field| config(&field));
    f.finish();
    network
}

fn config(field: &Field<'_>) -> Option<Network> {
    let text = match &field.node.value {
        Value::Text(text) => text.clone(),
        Value::Map(_) => json_line(field.node),
        _ => return field.text().and(None),
    };
    match read(&text) {
        Ok(network) => Some(network),
        Err(problem) => {
            field.problem(problem);
            None
        }
    }
}

/// A network of its configuration.
fn read(text: &str) -> Result<Network, String> {
    let wrong = |error: serde_json::Error| format!("{error}: correct it");
    let mut config: Json = serde_json::from_str(text).map_err(wrong)?;
    let table = config
        .as_object_mut()
        .ok_or("is no table: write {\"type\": …}")?;
    if table.contains_key("plugins") {
        return Err("a list of plugins is not supported yet: write one configuration".to_owned());
    }
    // What says nothing here: the version of a program's protocol, and a name beside that of the object.
    table.remove("cniVersion");
    table.remove("name");
    let kind = table.get("type").and_then(Json::as_str).unwrap_or_default();
    if !Network::TYPES.contains(&kind) {
        return Err(format!(
            "type {kind:?} is not supported: vks takes {}",
            Network::TYPES.join(", ")
        ));
    }
    let network: Network = serde_json::from_value(config).map_err(wrong)?;
    network.problem().map_or(Ok(network), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

    #[test]
    fn each_type_is_taken() {
        let tunnel = format!(
            r#"{{"cniVersion":"1.0.0","type":"wireguard","privateKey":{{"secret":{{"name":"k","key":"p"}}}},
            "address":["10.2.0.2/32"],"dns":["10.2.0.1"],"ports":["8080"],"shared":true,
            "peers":[{{"publicKey":"{KEY}","endpoint":"a.example:1","allowedIPs":["0.0.0.0/0","::/0"],"persistentKeepalive":25}}]}}"#
        );
        let Ok(Network::Wireguard(tunnel)) = read(&tunnel) else {
            panic!("{:?}", read(&tunnel));
        };
        assert!(tunnel.is_default() && tunnel.shared);
        assert_eq!(tunnel.peers[0].keepalive, 25);
        let bridge = r#"{"type":"bridge","bridge":"br7","ipam":{"type":"host-local","subnet":"10.7.0.0/24"}}"#;
        assert!(matches!(read(bridge), Ok(Network::Bridge(bridge)) if bridge.bridge == "br7"));
        let macvlan = r#"{"type":"macvlan","master":"eth0","mode":"private","name":"x"}"#;
        assert!(matches!(read(macvlan), Ok(Network::Macvlan(_))));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let tunnel = |more: &str| {
            format!(
                r#"{{"type":"wireguard","privateKey":{{"file":"/k"}},"address":["10.2.0.2/32"]{more}}}"#
            )
        };
        let cases = [
            ("[]".to_owned(), "is no table"),
            ("{".to_owned(), "EOF"),
            ("{}".to_owned(), "type \"\" is not supported"),
            (
                r#"{"type":"ipvlan"}"#.to_owned(),
                "type \"ipvlan\" is not supported: vks takes bridge",
            ),
            (r#"{"plugins":[]}"#.to_owned(), "list of plugins"),
            (
                r#"{"type":"bridge","vlan":7}"#.to_owned(),
                "unknown field `vlan`",
            ),
            (
                r#"{"type":"bridge","ipam":{"type":"dhcp"}}"#.to_owned(),
                "unknown variant `dhcp`",
            ),
            (
                r#"{"type":"bridge","ipam":{"type":"host-local"}}"#.to_owned(),
                "no subnet",
            ),
            (
                r#"{"type":"macvlan","master":""}"#.to_owned(),
                "correct master",
            ),
            (tunnel(""), "missing field `peers`"),
            (tunnel(r#","peers":[]"#), "no peers"),
            (
                tunnel(r#","peers":[{"publicKey":"x","allowedIPs":[]}]"#),
                "44 characters",
            ),
            (tunnel(r#","postUp":"x""#), "unknown field `postUp`"),
        ];
        for (text, wanted) in cases {
            let problem = read(&text).unwrap_err();
            assert!(problem.contains(wanted), "{text}: {problem}");
        }
    }
}
