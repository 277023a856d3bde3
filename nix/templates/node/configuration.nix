{
  services.vks = {
    enable = true;
    # The API of the node, for logs and exec.
    openFirewall = true;
    kubernetes = {
      enable = true;
      server = "https://10.0.0.1:6443";
      # What `kubeadm token create --print-join-command` says.
      tokenFile = "/run/secrets/join-token";
      caHash = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
      labels."topology.kubernetes.io/zone" = "cellar";
    };
  };

  # Yours: nixos-generate-config writes it.
  imports = [ ./hardware-configuration.nix ];
  system.stateVersion = "25.11";
}
