# What is wrong: a line for each thing, nothing when all is right.
let
  inherit (import ./lib.nix) lib pkgs;
  root = ../..;

  nixpkgs = { inherit lib; legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (_: pkgs); };
  outputs = import (root + "/nix/outputs.nix") { self = outputs // { outPath = root; }; inherit nixpkgs; };

  evaluate = module: (lib.evalModules {
    modules = [ ./nixos.nix outputs.nixosModules.default module ];
    specialArgs = { inherit pkgs; };
  }).config;

  # Everything that a switch would look at, so that nothing stays unevaluated.
  whole = config: builtins.deepSeq [
    config.assertions config.warnings config.environment config.networking config.systemd.services config.systemd.targets
    config.services.vks.settings config.services.vks.manifests (if config.services.vks.enable then config.services.vks.checked.script else null)
  ] config;

  failed = config: map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);

  judge = name: case:
    let
      config = whole (evaluate case.module);
      tried = builtins.tryEval config;
      said = failed config;
    in
    if case.refused or false then lib.optional tried.success "${name}: is accepted"
    else if !tried.success then [ "${name}: does not evaluate" ]
    else if case ? fails then lib.optional (said != case.fails) "${name}: says ${builtins.toJSON said}"
    else lib.optional (said != [ ]) "${name}: says ${builtins.toJSON said}"
      ++ lib.concatMap (what: lib.optional (!(case.gives config).${what}) "${name}: ${what}") (lib.attrNames (case.gives config));

  cases = import ./cases.nix { inherit lib pkgs; };

  # Every option is described, with an example, and a default that can be shown unless it has to be set; and so is what is in it.
  undescribed = prefix: options: lib.concatMap (name:
    let option = options.${name}; at = "${prefix}.${name}"; in
    if option._type or null != "option" then undescribed at option
    else lib.optional (!(option ? description)) "${at}: no description"
      ++ lib.optional (!(option.internal or false) && !(option ? example) && !(option ? defaultText)) "${at}: no example"
      ++ lib.optional (!(option.internal or false) && option ? default && !(option ? defaultText) && !(shown option.default)) "${at}: no text for its default"
      ++ undescribed at (option.type.getSubOptions [ ]))
    (lib.attrNames options);
  # Whether a default is the same on every host: text, a number, or sets and lists of them.
  shown = value:
    if builtins.isAttrs value then !(value ? outPath) && lib.all shown (lib.attrValues value)
    else if builtins.isList value then lib.all shown value
    else !(builtins.isFunction value) && !(builtins.isString value && builtins.hasContext value);
  options = (lib.evalModules { modules = [ ./nixos.nix outputs.nixosModules.default ]; specialArgs = { inherit pkgs; }; }).options;

  # Each output gives what the flake promises.
  per = f: lib.concatMap f [ "x86_64-linux" "aarch64-linux" ];
  is = what: right: lib.optional (!right) "flake: ${what}";
  flake = per (system: is "packages" (outputs.packages.${system}.default.name == "vks-${outputs.packages.${system}.vks.version}"))
    ++ per (system: is "tests of the package" (lib.all (test: test ? outPath) (lib.attrValues outputs.packages.${system}.vks.passthru.tests)))
    ++ per (system: is "checks" (lib.all (check: check ? outPath) (lib.attrValues outputs.checks.${system})))
    ++ lib.concatMap (check: lib.concatMap (machine check) (lib.attrValues (check.test.nodes or { }))) (lib.attrValues outputs.checks.x86_64-linux)
    ++ per (system: is "devShells" (outputs.devShells.${system}.default ? outPath))
    ++ per (system: is "formatter" (outputs.formatter.${system} ? outPath))
    ++ is "overlay" ((outputs.overlays.default pkgs pkgs).vks ? outPath)
    ++ is "templates" (lib.all (template: builtins.pathExists (template.path + "/flake.nix")) (lib.attrValues outputs.templates));
  # A machine of a check, and the systems that it may become.
  machine = check: node:
    let
      config = evaluate node;
      become = map (other: evaluate { imports = [ node other.configuration ]; }) (lib.attrValues (config.specialisation or { }));
    in
    lib.concatMap (config: map (said: "${check.test.name}: ${said}") (failed (whole config))) ([ config ] ++ become);
in
lib.concatStringsSep "\n" (lib.concatMap (name: judge name cases.${name}) (lib.attrNames cases) ++ undescribed "services.vks" options.services.vks ++ flake)
