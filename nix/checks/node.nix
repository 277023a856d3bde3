# A node of a cluster of k3s.
{ self }:
{
  name = "vks-node";
  nodes = {
    server = { pkgs, ... }: {
      services.k3s = {
        enable = true;
        role = "server";
        token = "of-the-test";
        extraFlags = [ "--disable-agent" "--disable" "traefik,servicelb,metrics-server,local-storage,coredns" ];
      };
      networking.firewall.enable = false;
      virtualisation.memorySize = 2048;
      environment.systemPackages = [ pkgs.openssl ];
    };
    node = {
      imports = [ self.nixosModules.default ];
      networking.firewall.enable = false;
      services.vks = {
        enable = true;
        settings.pods.profile = "trusted";
        kubernetes = {
          enable = true;
          kubeconfigFile = "/var/lib/test/kubeconfig";
          nodeName = "node";
          labels."topology.kubernetes.io/zone" = "test";
        };
      };
    };
  };
  testScript = ''
    start_all()
    server.wait_for_unit("k3s.service")
    server.wait_until_succeeds("k3s kubectl get --raw /readyz")

    # As an administrator would: a certificate of the cluster for the node.
    server.succeed("openssl req -new -newkey rsa:2048 -nodes -keyout /tmp/key -out /tmp/csr -subj '/O=system:nodes/CN=system:node:node'")
    server.succeed(
        "openssl x509 -req -in /tmp/csr -days 1 -out /tmp/crt "
        "-CA /var/lib/rancher/k3s/server/tls/client-ca.crt -CAkey /var/lib/rancher/k3s/server/tls/client-ca.key"
    )
    server.succeed(
        "export KUBECONFIG=/tmp/kubeconfig; "
        "k3s kubectl config set-cluster c --server https://server:6443 --embed-certs "
        "--certificate-authority /var/lib/rancher/k3s/server/tls/server-ca.crt; "
        "k3s kubectl config set-credentials n --embed-certs --client-certificate /tmp/crt --client-key /tmp/key; "
        "k3s kubectl config set-context x --cluster c --user n; k3s kubectl config use-context x"
    )
    kubeconfig = server.succeed("cat /tmp/kubeconfig")
    node.succeed("mkdir -m 0700 /var/lib/test && cat > /var/lib/test/kubeconfig <<'END'\n" + kubeconfig + "\nEND")
    node.succeed("systemctl restart vks.service")

    server.wait_until_succeeds("k3s kubectl wait --for=condition=Ready node/node --timeout=10s")
    server.succeed("k3s kubectl run p --image=host:sleep --restart=Never --overrides='{\"spec\":{\"nodeName\":\"node\",\"hostNetwork\":true}}' -- 1d")
    server.wait_until_succeeds("k3s kubectl get pod p | grep Running")
    node.succeed("pgrep -f 'sleep 1d'")
  '';
}
