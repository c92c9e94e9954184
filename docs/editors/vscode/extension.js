// Starts `attractor lsp` for pipelines, and ends it with the window.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const command = workspace.getConfiguration("attractor").get("command");
  client = new LanguageClient(
    "attractor",
    "Attractor",
    { command, args: ["lsp"] },
    { documentSelector: [{ scheme: "file", language: "dot" }] },
  );
  return client.start();
};

exports.deactivate = () => client?.stop();
