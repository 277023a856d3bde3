# Drives `vks exec -it` from a terminal of its own: size, change of the size, interrupt, exit code.
# Each step waits for what only the step before can have brought about: an interrupt that is sent before the program
# runs would end the shell's line and not the program, and everything after it would wait for ever.
import fcntl, os, pty, select, struct, sys, termios

def size(fd, rows, cols): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
child, fd = pty.fork()
if child == 0:
    size(0, 31, 77)
    os.execvp("vks", ["vks", "exec", "-it", "e", "-n", "exectty", "--", "/bin/sh"])
text = b""
everything = b""
def read(what):
    global everything
    if not select.select([fd], [], [], 20)[0]:
        sys.exit("nothing came while waiting for %r; so far: %r" % (what, everything))
    part = os.read(fd, 4096)
    everything += part
    return part
def until(part):
    global text
    while part not in text:
        text += read(part)
    before, text = text.split(part, 1)
    return before.decode()
os.write(fd, b"stty -echo; echo rea''dy\n")
until(b"ready\r\n")
os.write(fd, b"stty size; tty; echo do''ne\n")
print(until(b"done\r\n"))
size(fd, 45, 123)
os.write(fd, b"until stty size | grep 45; do sleep 0.05; done; echo do''ne\n")
print(until(b"done\r\n"))
os.write(fd, b"sh -c \"echo sleep''ing; exec sleep 1000\"\n")
until(b"sleeping\r\n")
os.write(fd, b"\x03")
os.write(fd, b"echo status $?; echo do''ne\n")
print(until(b"done\r\n"))
os.write(fd, b"exit 7\n")
while True:
    try:
        if not read("the end"): break
    except OSError: break
print("exit", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
