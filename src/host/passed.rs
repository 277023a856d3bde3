//! Sockets that systemd passes to a service (sd_listen_fds(3)).

use nix::sys::socket::{self, getsockopt, sockopt::SockType};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

/// What was passed, by kind. Others are left alone.
#[derive(Debug, Default)]
pub struct Passed {
    /// Datagram sockets.
    pub datagrams: Vec<UdpSocket>,
    /// Listening stream sockets.
    pub listeners: Vec<TcpListener>,
}

impl Passed {
    /// Takes copies of all of them: the numbers that systemd gives belong to nobody that could be asked for them.
    ///
    /// # Errors
    /// When a number is no descriptor of this process, or the call is forbidden (`SystemCallFilter=`).
    pub fn take() -> io::Result<Self> {
        let own = pidfd_open(getpid(), PidfdFlags::empty())?;
        let mut passed = Self::default();
        for number in sd_notify::listen_fds()? {
            let fd: OwnedFd = pidfd_getfd(&own, number, PidfdGetfdFlags::empty())?;
            match getsockopt(&fd, SockType)? {
                socket::SockType::Datagram => passed.datagrams.push(fd.into()),
                socket::SockType::Stream => passed.listeners.push(fd.into()),
                _ => {}
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
