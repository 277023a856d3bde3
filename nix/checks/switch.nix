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

    host.wait_for_open_port(8080)
    first = web()

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

    with subtest("a pod that fails does not fail the switch"):
        switch("failing")
        host.wait_until_succeeds("vks get pods failing | grep -E 'CrashLoopBackOff|Error'")
    assert web() == first
  '';
}
