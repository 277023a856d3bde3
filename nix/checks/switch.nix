# A switch changes exactly the pod that is another one, takes away what is gone, and is not failed by a pod that fails.
{ self }:
let
  sleeper = seconds: { lib, pkgs, ... }: {
    services.vks.pods.sleeper = {
      image = "host:${pkgs.coreutils}/bin/sleep";
      args = [ seconds ];
      spec.terminationGracePeriodSeconds = 2;
    };
  };
in
{
  name = "vks-switch";
  nodes.host = {
    imports = [ (import ./host.nix { inherit self; }) ];
    # Machines of tests are made without it.
    system.switch.enable = true;
    specialisation = {
      one.configuration = sleeper "1000";
      two.configuration = sleeper "2000";
      failing.configuration = { pkgs, ... }: { services.vks.pods.failing.image = "host:${pkgs.coreutils}/bin/false"; };
    };
  };
  testScript = ''
    def switch(name):
        host.succeed(f"/run/booted-system/specialisation/{name}/bin/switch-to-configuration test")

    def web():
        return host.succeed("systemctl show -P MainPID 'vks.default.web.*'")

    host.wait_for_unit("vks.service")
    host.wait_for_open_port(8080)
    host.succeed("vks wait --for=condition=Ready pod/web --timeout=60s")
    first = web()
    # It is a unit of the configuration.
    host.succeed("systemctl show -P FragmentPath vks-default-web.target | grep -x /etc/systemd/system/vks-default-web.target")
    host.wait_until_succeeds("vks plan 2>&1 | grep -x 'Nothing to do.'")

    switch("one")
    host.succeed("vks wait --for=condition=Ready pod/sleeper --timeout=60s")
    switch("two")
    host.wait_until_succeeds("pgrep -f 'sleep 2000'")
    host.fail("pgrep -f 'sleep 1000'")
    assert web() == first, "a pod that did not change was started anew"

    with subtest("removal, and the way back"):
        host.succeed("/run/booted-system/bin/switch-to-configuration test")
        host.wait_until_fails("pgrep -f 'sleep 2000'")
        host.wait_until_succeeds("vks get pods sleeper 2>&1 | grep 'not found'")

    with subtest("a pod that fails fails nothing of the switch"):
        # No job fails. A pod that waits for its next try when all is done is in the list of what failed, as any service is (4).
        status, said = host.execute("/run/booted-system/specialisation/failing/bin/switch-to-configuration test 2>&1")
        assert status in (0, 4) and "Failed to start" not in said, said
        host.wait_until_succeeds("vks get pods failing | grep -E 'CrashLoopBackOff|Error'")
    assert web() == first
  '';
}
