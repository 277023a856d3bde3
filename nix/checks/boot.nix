# A declared pod comes up with the host, and again without the agent.
{ self }:
{
  name = "vks-boot";
  nodes.host = import ./host.nix { inherit self; };
  testScript = ''
    host.wait_for_unit("vks.service")
    host.wait_for_open_port(8080)
    host.succeed("vks wait --for=condition=Ready pod/web --timeout=60s")

    with subtest("the agent comes and goes without the pod"):
        pid = host.succeed("systemctl show -P MainPID 'vks.default.web.*'")
        host.succeed("systemctl restart vks.service")
        assert pid == host.succeed("systemctl show -P MainPID 'vks.default.web.*'")

    with subtest("after a reboot, with the agent switched off"):
        host.succeed("mkdir -p /run/systemd/system && systemctl mask --runtime vks.service")
        host.shutdown()
        host.start()
        host.wait_for_open_port(8080)
  '';
}
