//! Sockets that systemd passes to a service (sd_listen_fds(3)).

use listenfd::ListenFd;
use std::io;
use std::net::{TcpListener, UdpSocket};

/// What was passed, by kind. Others are left alone.
#[derive(Debug, Default)]
pub struct Passed {
    /// Datagram sockets.
    pub datagrams: Vec<UdpSocket>,
    /// Listening stream sockets.
    pub listeners: Vec<TcpListener>,
}

impl Passed {
    /// Takes all of them, which works once.
    ///
    /// # Errors
    /// When one is not as systemd passes sockets.
    pub fn take() -> io::Result<Self> {
        let mut all = ListenFd::from_env();
        let mut passed = Self::default();
        for index in 0..all.len() {
            if let Ok(Some(socket)) = all.take_udp_socket(index) {
                passed.datagrams.push(socket);
            } else if let Some(listener) = all.take_tcp_listener(index)? {
                passed.listeners.push(listener);
            }
        }
        for socket in &passed.datagrams {
            socket.set_nonblocking(true)?;
        }
        for socket in &passed.listeners {
            socket.set_nonblocking(true)?;
        }
        Ok(passed)
    }
}
