//! Who calls.

use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The group whose members may do anything, in every cluster.
pub const MASTERS: &str = "system:masters";

/// Somebody whose name is proven.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct User {
    /// Their name.
    pub name: String,
    /// The unique number of a user who is not a certificate's.
    pub uid: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// What else is known of them.
    pub extra: Vec<(String, Vec<String>)>,
}

impl User {
    /// Whom a certificate names: the common name is the name, organisations are groups. The certificate has been
    /// checked already. `None` when it names nobody.
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.subject();
        let text = |part: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            part.as_str().ok().map(str::to_owned)
        };
        let name = subject.iter_common_name().next().and_then(text)?;
        (!name.is_empty()).then(|| Self {
            name,
            groups: subject.iter_organization().filter_map(text).collect(),
            ..Self::default()
        })
    }

    /// Whether they may do anything.
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    #[test]
    fn a_certificate_names_its_user_and_groups() {
        let made = |pairs: &[(DnType, &str)]| {
            let mut params = CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            for (kind, text) in pairs {
                params.distinguished_name.push(kind.clone(), *text);
            }
            let key = KeyPair::generate().unwrap();
            User::of_certificate(params.self_signed(&key).unwrap().der())
        };
        let user = made(&[
            (DnType::CommonName, "a"),
            (DnType::OrganizationName, MASTERS),
        ]);
        let user = user.unwrap();
        assert_eq!((user.name.as_str(), user.is_master()), ("a", true));
        assert!(!made(&[(DnType::CommonName, "a")]).unwrap().is_master());
        assert_eq!(made(&[(DnType::OrganizationName, MASTERS)]), None);
        assert_eq!(User::of_certificate(b"no certificate"), None);
    }
}
