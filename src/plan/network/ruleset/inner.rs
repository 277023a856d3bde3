//! The table in the namespace of a pod whose only way out is a tunnel: by its own interface it is asked by the host, at the
//! ports that are open, and asks nobody. That there is no route by it is what shuts the pod in; this also holds what the
//! kernel sends of its own accord, and pods that may change their routes find the host refusing.

use crate::model::network::POD_LINK;
use crate::model::network::attach::OpenPort;
use crate::plan::network::table::TABLE;

/// A script that puts it in place of whatever is there of it.
pub fn script(ports: &[OpenPort]) -> String {
    let known = "ct state established,related accept";
    let open = ports.iter().map(|port| {
        let OpenPort { protocol, port } = port;
        format!("add rule {TABLE} in iifname \"{POD_LINK}\" {protocol} dport {port} accept\n")
    });
    let open: String = open.collect();
    format!(
        "add table {TABLE}\ndelete table {TABLE}\nadd table {TABLE}\n\
         add chain {TABLE} in {{ type filter hook input priority filter; policy accept; }}\n\
         add chain {TABLE} out {{ type filter hook output priority filter; policy accept; }}\n\
         add chain {TABLE} through {{ type filter hook forward priority filter; policy drop; }}\n\
         add rule {TABLE} in iifname \"{POD_LINK}\" {known}\n\
         {open}\
         add rule {TABLE} in iifname \"{POD_LINK}\" drop\n\
         add rule {TABLE} out oifname \"{POD_LINK}\" {known}\n\
         add rule {TABLE} out oifname \"{POD_LINK}\" drop\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_ports_come_before_the_end() {
        let text = script(&["8080".parse().unwrap(), "53/udp".parse().unwrap()]);
        let place = |text_of: &str| text.find(text_of).unwrap();
        let end = place("in iifname \"eth0\" drop");
        assert!(place("tcp dport 8080 accept") < end && place("udp dport 53 accept") < end);
    }
}
