//! Bounds of the inventory.

use std::time::Duration;

/// Most devices that are kept. When full, the device that awaits approval and was first seen longest ago
/// goes; approved ones never go by themselves.
pub const DEVICES: usize = 10_000;

/// New devices that are taken in one minute. A site gains a few a day; a sender that makes up names must
/// not fill the inventory and the site log.
pub const NEW_DEVICES_PER_MINUTE: u32 = 120;

/// Longest name, zone, note or reason that a person gives, in bytes.
pub const TEXT_BYTES: usize = 200;

/// Facts kept of one device.
pub const FACTS: usize = 32;

/// Longest fact, in bytes.
pub const FACT_BYTES: usize = 256;

/// Changes of trust shown of one device.
pub const HISTORY: usize = 100;

/// Bytes of a made password: as hard to guess as a key.
pub const PASSWORD_BYTES: usize = 32;

/// Reports closer together than this are one report with several metrics.
pub const SAME_REPORT: Duration = Duration::from_millis(500);

/// Report interval of a device that reported once only.
pub const INTERVAL_UNKNOWN: Duration = Duration::from_secs(300);

/// Longest report interval that is learned: a sensor reports at least once a day.
pub const INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// Largest certificate request, in bytes.
pub const CSR_BYTES: usize = 16 * 1024;

/// Enrolment codes of agents that are open at once: each line holds them all.
pub const OPEN_CODES: usize = sitewarden_wire::limits::MAX_OFFERS;

/// How long an enrolment code is open: a technician at the cabinet needs minutes.
pub const CODE_LIFE: Duration = Duration::from_secs(30 * 60);

/// How long a code that is over stays known on the lines, so that a refusal says why.
pub const CODE_KEPT: Duration = Duration::from_secs(10 * 60);

/// Enrolment codes that are remembered by their hash, to refuse them by name; the oldest go.
pub const CODE_ROWS: usize = 1_000;

/// Runs kept of one agent, newest: they place in time what it saw before it knew the time.
pub const AGENT_RUNS: usize = 32;

/// Numbers of findings kept of one agent, newest: what comes again is acknowledged and not taken twice. An
/// agent has one finding under way at a time, so one would do on a good line.
pub const AGENT_FINDINGS: usize = 4_096;

/// How far an agent's clock may be ahead of the box before its word on the time is not taken.
pub const CLOCK_AHEAD: Duration = Duration::from_secs(300);

/// Serial lines of one box.
pub const LINES: usize = 32;

/// Agents' TCP connections in total.
pub const LINE_CONNECTIONS: usize = 256;

/// Agents' TCP connections on which nobody has proved a key yet; above it the newest is closed.
pub const LINE_PENDING: usize = 64;

/// Of these from one address, so that one idle scanner cannot fill [`LINE_PENDING`].
pub const LINE_PENDING_PER_ADDRESS: usize = 8;

/// How long a TCP connection may stay without a proven key: a person types a code meanwhile, and the agent comes again.
pub const LINE_UNPROVEN: Duration = Duration::from_secs(60);

/// How long a proven TCP connection may be silent: an agent says hello once a minute.
pub const LINE_SILENT: Duration = Duration::from_secs(200);

/// How long a line may refuse what is written to it. The fullest output takes 0.2 s at 115,200 baud.
pub const LINE_WRITE: Duration = Duration::from_secs(5);

/// Bytes read from a line at once.
pub const LINE_READ_BYTES: usize = 1_024;

/// First and longest pause before a serial line is opened again.
pub const LINE_REOPEN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// A line that held this long was well: the next pause is the first one again.
pub const LINE_WELL: Duration = Duration::from_secs(10);

/// Messages of agents that may wait for the engine. When full, the lines wait: back-pressure into each line alone.
pub const LINE_MESSAGES: usize = 256;

/// Findings of one line that wait for their commit. An agent has one under way at a time.
pub const LINE_UNANSWERED: usize = 8;

/// Findings that one line may bring at once, and one more each second: a full queue drains at line speed, an agent
/// gone mad does not fill the site log. What is over is not acknowledged, so the agent keeps it.
pub const LINE_FINDINGS: u32 = 256;

/// Reports that one line may bring at once, and twenty more each second; an agent sends ten at most.
pub const LINE_REPORTS: u32 = 100;

/// How often one line tells the rules of the same trouble; what comes between is counted.
pub const LINE_TELLS: Duration = Duration::from_secs(10);
