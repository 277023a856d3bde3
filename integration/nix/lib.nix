# A small stand-in for the parts of nixpkgs' `lib` and `pkgs` that nix/ uses, since the tests have no nixpkgs: options
# and modules as documented in the manual of NixOS. What is not here, nix/ must not use; what is, does the same there.
let
  inherit (builtins)
    all any attrNames attrValues concatLists concatMap concatStringsSep elem elemAt filter foldl' fromTOML hasAttr head
    isAttrs isBool isFunction isInt isList isPath isString length listToAttrs map mapAttrs match readFile removeAttrs
    replaceStrings stringLength substring tail toJSON toString typeOf;

  kind = v: if isAttrs v then v._type or null else null;

  # Properties go down into the fields, so that a condition is not looked at before its field is.
  fieldsOf = def:
    if kind def == "merge" then concatMap fieldsOf def.contents
    else if kind def == "if" then map (mapAttrs (_: v: lib.mkIf def.condition v)) (fieldsOf def.content)
    else if kind def == "override" then map (mapAttrs (_: v: lib.mkOverride def.priority v)) (fieldsOf def.content)
    else if isAttrs def then [ def ]
    else throw "expected a set of options, found ${typeOf def}";

  # The values of an option that hold, each with its priority.
  valuesOf = priority: def:
    if kind def == "merge" then concatMap (valuesOf priority) def.contents
    else if kind def == "if" then (if def.condition then valuesOf priority def.content else [ ])
    else if kind def == "override" then [ { inherit (def) priority; value = def.content; } ]
    else [ { inherit priority; value = def; } ];

  # Of several definitions those of the best priority, merged by the type.
  mergeDefs = loc: type: defs:
    let
      found = concatMap (valuesOf 100) defs;
      best = foldl' (a: d: if d.priority < a then d.priority else a) 9999 found;
      values = map (d: d.value) (filter (d: d.priority == best) found);
      bad = filter (v: !(type.check v)) values;
    in
    if found == [ ] then null
    else if bad != [ ] then throw "A definition for option `${showLoc loc}' is not of type `${type.description}'."
    else { value = type.merge loc values; };

  showLoc = concatStringsSep ".";
  isOption = o: kind o == "option";

  evalTree = loc: freeform: opts: defs:
    let
      fields = concatMap fieldsOf defs;
      at = name: map (d: d.${name}) (filter (hasAttr name) fields);
      names = lib.unique (concatMap attrNames fields);
      one = name: opt:
        let here = loc ++ [ name ]; in
        if isOption opt then
          let merged = mergeDefs here opt.type (at name ++ (if opt ? default then [ (lib.mkOverride 1500 opt.default) ] else [ ])); in
          if merged == null then throw "The option `${showLoc here}' was accessed but has no value defined."
          else (opt.apply or (x: x)) merged.value
        else evalTree here freeform opt (at name);
      unknown = filter (n: !(hasAttr n opts)) names;
      loose = listToAttrs (concatMap (n:
        let merged = mergeDefs (loc ++ [ n ]) freeform (at n); in
        if merged == null then [ ] else [ { name = n; inherit (merged) value; } ]) unknown);
    in
    if unknown != [ ] && freeform == null then throw "The option `${showLoc (loc ++ [ (head unknown) ])}' does not exist."
    else mapAttrs one opts // (if freeform == null then { } else loose);

  mergeOptions = foldl' (a: b: a // mapAttrs (n: v: if a ? ${n} && !(isOption v) then mergeOptions [ a.${n} v ] else v) b) { };

  load = args: module:
    let
      m = if isPath module || isString module then import module else module;
      called = if isFunction m then m args else m;
      shaped = if called ? config || called ? options || called ? imports then called else { config = called; };
    in
    concatMap (load args) (shaped.imports or [ ]) ++ [ shaped ];

  evalModules = { modules, specialArgs ? { }, prefix ? [ ] }:
    let
      loaded = concatMap (load (specialArgs // { inherit lib config options; })) modules;
      options = removeAttrs (mergeOptions (map (m: m.options or { }) loaded)) [ "_module" ];
      freeforms = filter (f: f != null) (map (m: m.freeformType or null) loaded);
      freeform = if freeforms == [ ] then null else head freeforms;
      config = evalTree prefix freeform options (map (m: m.config or { }) loaded);
    in
    { inherit config options; };

  mk = description: check: merge: { _type = "option-type"; inherit description check merge; getSubOptions = _: { }; };
  # What is within is documented with it.
  of = inner: type: type // { inherit (inner) getSubOptions; };
  only = loc: values:
    if length (lib.unique values) == 1 then head values
    else throw "The option `${showLoc loc}' has conflicting definition values.";
  inner = loc: type: v: (mergeDefs loc type [ v ]).value;
  # Sets within sets are merged, all else must agree.
  deep = loc: values:
    if all isAttrs values && all (v: kind v == null && !(v ? outPath)) values then
      mapAttrs (n: _: deep (loc ++ [ n ]) (map (v: v.${n}) (filter (hasAttr n) values))) (foldl' (a: b: a // b) { } values)
    else only loc values;

  types = rec {
    bool = mk "boolean" isBool only;
    int = mk "signed integer" isInt only;
    port = mk "16 bit unsigned integer" (v: isInt v && v >= 0 && v <= 65535) only;
    str = mk "string" isString only;
    strMatching = pattern: mk "string matching the pattern ${pattern}" (v: isString v && match pattern v != null) only;
    path = mk "absolute path" (v: isPath v || v ? outPath || (isString v && substring 0 1 v == "/")) only;
    package = mk "package" (v: isAttrs v && v ? outPath) only;
    anything = mk "anything" (_: true) deep;
    enum = values: mk "one of ${toJSON values}" (v: elem v values) only;
    nullOr = t: of t (mk "null or ${t.description}" (v: v == null || t.check v)
      (loc: values: if all (v: v == null) values then null else t.merge loc (filter (v: v != null) values)));
    listOf = t: of t (mk "list of ${t.description}" isList (loc: values: map (inner loc t) (concatLists values)));
    attrsOf = t: of t (mk "attribute set of ${t.description}" isAttrs (loc: values:
      let fields = concatMap fieldsOf values; in
      listToAttrs (concatMap (name:
        let merged = mergeDefs (loc ++ [ name ]) t (map (d: d.${name}) (filter (hasAttr name) fields)); in
        if merged == null then [ ] else [ { inherit name; inherit (merged) value; } ])
        (lib.unique (concatMap attrNames fields)))));
    either = a: b: mk "${a.description} or ${b.description}" (v: a.check v || b.check v)
      (loc: values: if all a.check values then a.merge loc values else b.merge loc values);
    submodule = module: mk "submodule" (v: isAttrs v || isFunction v) (loc: values:
      (evalModules {
        modules = [ module ] ++ map (v: if isFunction v then v else { config = v; }) values;
        specialArgs.name = elemAt loc (length loc - 1);
        prefix = loc;
      }).config) // {
        getSubOptions = prefix: (evalModules { modules = [ module ]; specialArgs.name = "<name>"; inherit prefix; }).options;
      };
  };

  lib = {
    inherit types evalModules all any attrNames attrValues concatMap concatStringsSep elem filter hasAttr head isAttrs isList
      length listToAttrs mapAttrs replaceStrings;
    mkOption = option: option // { _type = "option"; };
    mkEnableOption = name: lib.mkOption { type = types.bool; default = false; example = true; description = "Whether to enable ${name}."; };
    mkPackageOption = pkgs: name: { ... }: lib.mkOption {
      type = types.package;
      default = pkgs.${name};
      defaultText = lib.literalExpression "pkgs.${name}";
      description = "The ${name} package to use.";
    };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOverride = priority: content: { _type = "override"; inherit priority content; };
    mkDefault = lib.mkOverride 1000;
    mkForce = lib.mkOverride 50;
    literalExpression = text: { _type = "literalExpression"; inherit text; };
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalString = condition: text: if condition then text else "";
    optionalAttrs = condition: set: if condition then set else { };
    nameValuePair = name: value: { inherit name value; };
    mapAttrs' = f: set: listToAttrs (map (n: f n set.${n}) (attrNames set));
    mapAttrsToList = f: set: map (n: f n set.${n}) (attrNames set);
    filterAttrs = f: set: listToAttrs (map (n: lib.nameValuePair n set.${n}) (filter (n: f n set.${n}) (attrNames set)));
    genAttrs = names: f: listToAttrs (map (n: lib.nameValuePair n (f n)) names);
    recursiveUpdate = a: b: a // mapAttrs (n: v: if isAttrs v && isAttrs (a.${n} or null) then lib.recursiveUpdate a.${n} v else v) b;
    concatMapStringsSep = separator: f: list: concatStringsSep separator (map f list);
    unique = foldl' (found: v: if elem v found then found else found ++ [ v ]) [ ];
    hasSuffix = suffix: text: let n = stringLength suffix; m = stringLength text; in m >= n && substring (m - n) n text == suffix;
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    escapeShellArg = text: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
    getExe = package: "${package}/bin/${package.meta.mainProgram or package.pname}";
    versionAtLeast = a: b: builtins.compareVersions a b >= 0;
    importTOML = file: fromTOML (readFile file);
    licenses.asl20.spdxId = "Apache-2.0";
    platforms.linux = [ "x86_64-linux" "aarch64-linux" ];
    fileset = {
      unions = list: assert all builtins.pathExists list; list;
      toSource = { root, fileset }: assert all builtins.pathExists fileset; root;
    };
  };

  fake = name: attrs: attrs // { inherit name; outPath = "/nix/store/00000000000000000000000000000000-${name}"; };
  pkgs = {
    inherit lib;
    stdenv = { hostPlatform.system = "x86_64-linux"; buildPlatform.canExecute = host: host.system == "x86_64-linux"; };
    formats.toml = { }: { type = types.anything; generate = name: value: fake name { inherit value; }; };
    # As in nixpkgs, the name of what is made depends on what is in it.
    writeText = name: text: builtins.seq (stringLength text) (fake name { inherit text; });
    runCommandLocal = name: attrs: script: fake name (attrs // { inherit script; });
    # What it is given may be a function of what becomes of it.
    rustPlatform.buildRustPackage = args:
      let
        given = if isFunction args then args { finalPackage = made; } else args;
        made = fake "${given.pname}-${given.version}" (given // { passthru = given.passthru or { }; });
      in
      made;
    callPackage = file: args: let f = import file; in f (builtins.intersectAttrs (builtins.functionArgs f) (pkgs // { inherit lib; }) // args);
    mkShell = args: fake "shell" args;
    testers.runNixOSTest = test: fake "vm-test-${test.name}" { inherit test; };
    testers.testVersion = { package, command }: fake "${package.name}-test-version" { inherit command; };
    installShellFiles = fake "install-shell-files" { };
    nixfmt-tree = fake "nixfmt-tree" { };
    cargo = fake "cargo" { }; rustc = fake "rustc" { }; clippy = fake "clippy" { }; rustfmt = fake "rustfmt" { };
    cargo-deny = fake "cargo-deny" { }; groff = fake "groff" { }; jq = fake "jq" { }; nftables = fake "nftables" { };
    systemd = fake "systemd-257.9" { version = "257.9"; };
    openssl = fake "openssl" { }; wireguard-tools = fake "wireguard-tools" { }; python3 = fake "python3" { }; coreutils = fake "coreutils" { };
  };
in
{ inherit lib pkgs; }
