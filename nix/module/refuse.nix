# Secrets are files of the running host. What is in the store can be read by all who use the host.
{ lib }:
{
  # The assertions about an option that names such a file, or null.
  secretFile = option: file: lib.optionals (file != null) [
    {
      assertion = !(lib.hasPrefix builtins.storeDir file);
      message = "${option} is in the Nix store, which all can read: give a path of the running host.";
    }
    {
      assertion = lib.hasPrefix "/" file;
      message = "${option}: give an absolute path.";
    }
  ];

  # The type of such an option: text, since a path would be copied to the store.
  secretFileType = lib.types.nullOr lib.types.str;
}
