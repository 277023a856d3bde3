# A declared pod comes up with the host, again after a reboot, and on a host whose agent is never started.
{ self }:
{
  name = "vks-boot";
  nodes = {
    host = import ./host.nix { inherit self; };
    alone = { lib, ... }: {
      imports = [ (import ./host.nix { inherit self; }) ];
      systemd.services.vks.wantedBy = lib.mkForce [ ];
    };
  };
  testScript = ''
    start_all()
    host.wait_for_unit("vks.service")
    host.wait_for_open_port(8080)
    host.succeed("vks wait --for=condition=Ready pod/web --timeout=60s")

    with subtest("the agent comes and goes without the pod"):
        pid = host.succeed("systemctl show -P MainPID 'vks.default.web.*'")
        host.succeed("systemctl restart vks.service")
        assert pid == host.succeed("systemctl show -P MainPID 'vks.default.web.*'")

    with subtest("after a reboot"):
        host.shutdown()
        host.start()
        host.wait_for_open_port(8080)
        host.wait_for_unit("vks.service")
        host.succeed("vks wait --for=condition=Ready pod/web --timeout=60s")

    with subtest("without the agent"):
        alone.wait_for_open_port(8080)
        alone.fail("systemctl is-active vks.service")
  '';
}
