//! Containers.

use super::env::{ENV_FROM, ENV_VAR};
use super::identity::RESIZE_POLICY;
use super::probe::{LIFECYCLE, PROBE};
use super::security::SECURITY;
use super::volume::{DEVICE, MOUNT};
use super::{Given, Shape, Table, given, told};
use crate::source::decode::known;

const NAME: Given = given(
    "name",
    Shape::Text,
    "The name of the container, once in the pod.",
    &["SyslogIdentifier=", "Container="],
);
const IMAGE: Given = given(
    "image",
    Shape::Text,
    "What it runs from: `host:`, `dir:`, `nix:`, `deb:`, `oci:` and a name (vks-images(7)).",
    &["ExecStart="],
)
.note("part of the name of the service");
/// Words for when an image is fetched.
pub const PULL_POLICIES: Shape = Shape::Words(&["Always", "IfNotPresent", "Never"]);
const PULL_POLICY: Given = told(
    "imagePullPolicy",
    PULL_POLICIES,
    "When the image is fetched although it may be here. When absent, `Always` for registries' `latest`, else \
    `IfNotPresent`.",
    "once for each life of the pod, by `vks-fetch@.service`",
);
const COMMAND: Given = given(
    "command",
    Shape::Texts,
    "Replaces the program of the image. `$(NAME)` is replaced by a variable; \
    there is no shell.",
    &["ExecStart="],
);
const ARGS: Given = given(
    "args",
    Shape::Texts,
    "Arguments of the program. `$(NAME)` is replaced by a variable; there is no shell.",
    &["ExecStart="],
);
const WORKING_DIR: Given = given(
    "workingDir",
    Shape::Text,
    "The directory the program starts in.",
    &["WorkingDirectory="],
);
const ENV: Given = given(
    "env",
    Shape::Many(&ENV_VAR),
    "Variables; later ones win.",
    &["Environment=", "EnvironmentFile="],
);
const FROM: Given = given(
    "envFrom",
    Shape::Many(&ENV_FROM),
    "Whole config maps and secrets as variables; `env` wins over them.",
    &["EnvironmentFile="],
);
const PORTS: Given = told(
    "ports",
    Shape::Many(&PORT),
    "Ports the program listens on.",
    "names for probes; nothing is opened by them",
);
const RESOURCES: Given = given(
    "resources",
    Shape::One(&RESOURCE_LIST),
    "What the container needs and may use.",
    &[],
)
.note("the sum over the containers is set on the slice of the pod");
const MOUNTS: Given = given(
    "volumeMounts",
    Shape::Many(&MOUNT),
    "Where the container sees the volumes of the pod.",
    &["BindPaths=", "BindReadOnlyPaths="],
);
const DEVICES: Given = given(
    "volumeDevices",
    Shape::Many(&DEVICE),
    "Where the container sees block devices.",
    &["BindPaths=", "DeviceAllow="],
);
const MESSAGE_PATH: Given = given(
    "terminationMessagePath",
    Shape::Text,
    "The file whose first 4096 bytes stand in the status when the \
    container has ended; `/dev/termination-log` when absent.",
    &["BindPaths="],
);
const MESSAGE_POLICY: Given = given(
    "terminationMessagePolicy",
    Shape::Words(&["File", "FallbackToLogsOnError"]),
    "Where the termination message comes from: the file alone, or for a container that failed and left it empty, the \
    last 80 lines of its log.",
    &["Message="],
);
const RESTART_RULES: Given = given(
    "restartPolicyRules",
    Shape::Many(&RESTART_RULE),
    "Exit codes after which the container, or all of the pod, starts again whatever the policy says.",
    &["RestartForceExitStatus=", "Rules=", "All="],
);
const SECURITY_CONTEXT: Given = given(
    "securityContext",
    Shape::One(&SECURITY),
    "Who the container runs as.",
    &[],
);
const LIFE: Given = given(
    "lifecycle",
    Shape::One(&LIFECYCLE),
    "What runs after the start and before the stop.",
    &[],
);
const STARTUP: Given = given(
    "startupProbe",
    Shape::One(&PROBE),
    "The container has started when this succeeds; until then the unit is \
    starting and the other probes wait.",
    &["ExecStartPost="],
)
.note("`vks probe startup`");
const LIVENESS: Given = given(
    "livenessProbe",
    Shape::One(&PROBE),
    "When this fails the container is ended, and starts again by its \
    restart policy.",
    &["Probes="],
)
.note("run by the pod's probes unit, `vks prober`, which ends the container by signals");
const READINESS: Given = given(
    "readinessProbe",
    Shape::One(&PROBE),
    "Whether the container is ready; nothing is stopped by it.",
    &["Probes="],
)
.note("run by the pod's probes unit, told as status text of that unit");
const RESTART: Given = given(
    "restartPolicy",
    Shape::Words(&["Always", "OnFailure", "Never"]),
    "When this container starts again, \
    instead of what the pod says.",
    &[
        "Restart=",
        "RestartSec=",
        "RestartSteps=",
        "RestartMaxDelaySec=",
    ],
);
const RESTART_INIT: Given = given(
    "restartPolicy",
    Shape::Words(&["Always", "OnFailure", "Never"]),
    "`Always` makes it a sidecar, \
    which keeps running beside the containers and ends after them.",
    &["Type=", "Restart=", "RemainAfterExit="],
);

const RESIZE: Given = told(
    "resizePolicy",
    Shape::Many(&RESIZE_POLICY),
    "Which changes of resources restart the container.",
    "a change without a restart is put in force by a call to systemd",
);
const STDIN: Given = given(
    "stdin",
    Shape::Bool,
    "Standard input stays open; else it is at its end.",
    &["ExecStart="],
)
.note("`vks launch --stdin`: what is written into a named pipe in /run/vks/pods/UID/stdin");
const STDIN_ONCE: Given = given(
    "stdinOnce",
    Shape::Bool,
    "Standard input ends with its first writer.",
    &["ExecStart="],
)
.note("`vks launch --once`");
const TTY: Given = given(
    "tty",
    Shape::Bool,
    "Standard input and output are a terminal.",
    &["ExecStart="],
)
.note("`vks launch --tty`; what is written to it goes to the journal");
const TARGET: Given = told(
    "targetContainerName",
    Shape::Text,
    "The container it is there to look at.",
    "refused where that one's processes are in a namespace of their own: with `hostPID: false`, and of images with a root of \
     their own without `hostPID: true`",
);
static RESTART_RULE: Table = Table {
    name: "ContainerRestartRule",
    about: "What follows some ends of a container; the first rule that fits decides.",
    rest: known::NONE,
    given: &[
        given(
            "action",
            Shape::Words(&["Restart", "RestartAllContainers"]),
            "The container starts again, or all containers of the pod do, init containers first.",
            &["RestartForceExitStatus=", "All="],
        ),
        given(
            "exitCodes",
            Shape::One(&RESTART_CODES),
            "The ends that are meant.",
            &["RestartForceExitStatus=", "Rules="],
        ),
    ],
};

static RESTART_CODES: Table = Table {
    name: "ContainerRestartRuleOnExitCodes",
    about: "Exit codes; a container that was killed has 128 and the signal's number.",
    rest: known::NONE,
    given: &[
        given(
            "operator",
            Shape::Words(&["In", "NotIn"]),
            "The codes that are listed, or all others.",
            &["RestartForceExitStatus="],
        ),
        given(
            "values",
            Shape::Ints,
            "The codes, from 0 to 255.",
            &["RestartForceExitStatus="],
        ),
    ],
};

pub static CONTAINER: Table = Table {
    name: "Container",
    about: "A program that runs as a service, `Type=exec`.",
    rest: known::CONTAINER,
    given: &[
        ARGS,
        COMMAND,
        ENV,
        FROM,
        IMAGE,
        PULL_POLICY,
        LIFE,
        LIVENESS,
        NAME,
        PORTS,
        READINESS,
        RESIZE,
        RESOURCES,
        RESTART,
        RESTART_RULES,
        SECURITY_CONTEXT,
        STARTUP,
        STDIN,
        STDIN_ONCE,
        MESSAGE_PATH,
        MESSAGE_POLICY,
        DEVICES,
        TTY,
        MOUNTS,
        WORKING_DIR,
    ],
};

pub static INIT_CONTAINER: Table = Table {
    name: "Container",
    about: "A program that runs to its end before what follows it starts, `Type=oneshot`; or a sidecar.",
    rest: known::CONTAINER,
    given: &[
        ARGS,
        COMMAND,
        ENV,
        FROM,
        IMAGE,
        PULL_POLICY,
        LIFE,
        LIVENESS,
        NAME,
        PORTS,
        READINESS,
        RESIZE,
        RESOURCES,
        RESTART_INIT,
        RESTART_RULES,
        SECURITY_CONTEXT,
        STARTUP,
        STDIN,
        STDIN_ONCE,
        MESSAGE_PATH,
        MESSAGE_POLICY,
        DEVICES,
        TTY,
        MOUNTS,
        WORKING_DIR,
    ],
};

pub static EPHEMERAL_CONTAINER: Table = Table {
    name: "EphemeralContainer",
    about: "A program put into a running pod to look at it: a service that starts once, whatever the others do.",
    rest: known::EPHEMERAL_CONTAINER,
    given: &[
        ARGS,
        COMMAND,
        ENV,
        FROM,
        IMAGE,
        NAME,
        PULL_POLICY,
        SECURITY_CONTEXT,
        STDIN,
        STDIN_ONCE,
        TARGET,
        MESSAGE_PATH,
        MESSAGE_POLICY,
        DEVICES,
        TTY,
        MOUNTS,
        WORKING_DIR,
    ],
};

static PORT: Table = Table {
    name: "ContainerPort",
    about: "A port that a program listens on.",
    rest: known::PORT,
    given: &[
        told("containerPort", Shape::Int, "The number.", ""),
        told(
            "hostIP",
            Shape::Text,
            "The address of the host that `hostPort` is meant for; all when absent.",
            "the maps `hostip4` and `hostip6` of the table `inet vks`",
        ),
        told(
            "hostPort",
            Shape::Int,
            "The port of the host that leads here; on the host's network the containerPort.",
            "the maps `hostport4` and `hostport6` of the table `inet vks`",
        ),
        told("name", Shape::Text, "The name that probes may use.", ""),
        told(
            "protocol",
            Shape::Words(&["TCP", "UDP", "SCTP"]),
            "`TCP` when absent.",
            "",
        ),
    ],
};

pub static RESOURCE_LIST: Table = Table {
    name: "ResourceRequirements",
    about: "What a container needs and may use.",
    rest: known::RESOURCES,
    given: &[
        given(
            "limits",
            Shape::Amounts,
            "The most it may use, of `cpu` and `memory`.",
            &["CPUQuota=", "MemoryMax="],
        ),
        given(
            "requests",
            Shape::Amounts,
            "What it is sure to get, of `cpu` and `memory`; the limit when absent.",
            &["CPUWeight=", "MemoryLow=", "MemoryMin=", "OOMScoreAdjust="],
        ),
    ],
};
