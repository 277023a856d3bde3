//! How it ended, in the words of the API (meta/v1 Status).

use serde_json::json;

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Well.
    Good,
    /// The program ended with another code than 0.
    Code(u8),
    /// It could not be done.
    Failed(String),
}

impl End {
    /// What is sent on the error stream; nothing for a good end in words.
    pub fn text(&self, json: bool) -> Vec<u8> {
        let (reason, message, details) = match self {
            Self::Good if json => {
                return json!({ "metadata": {}, "status": "Success" })
                    .to_string()
                    .into_bytes();
            }
            Self::Good => return Vec::new(),
            Self::Code(code) => {
                let message =
                    format!("command terminated with non-zero exit code: exit status {code}");
                let cause = json!({ "reason": "ExitCode", "message": code.to_string() });
                ("NonZeroExitCode", message, json!({ "causes": [cause] }))
            }
            Self::Failed(why) => {
                let cause = json!({ "message": why });
                let message = format!("Internal error occurred: {why}");
                ("InternalError", message, json!({ "causes": [cause] }))
            }
        };
        if !json {
            return message.into_bytes();
        }
        let mut status = json!({
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details,
        });
        if matches!(self, Self::Failed(_)) {
            status["code"] = json!(500);
        }
        status.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_the_apis_words() {
        let text = |end: End, json| String::from_utf8(end.text(json)).unwrap();
        assert_eq!(
            text(End::Good, true),
            r#"{"metadata":{},"status":"Success"}"#
        );
        assert_eq!(text(End::Good, false), "");
        let status: serde_json::Value = serde_json::from_str(&text(End::Code(3), true)).unwrap();
        assert_eq!(status["reason"], "NonZeroExitCode");
        assert_eq!(
            status["details"]["causes"][0],
            serde_json::json!({"reason": "ExitCode", "message": "3"})
        );
        assert!(text(End::Failed("x".into()), false).ends_with(": x"));
        assert!(text(End::Failed("x".into()), true).contains("\"code\":500"));
    }
}
