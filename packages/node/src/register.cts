// The door for `--require`. Where this Node cannot load what is behind it, the process starts untraced.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19)) {
  try {
    require(__filename.endsWith(".cts") ? "./register.ts" : "./register.js");
  } catch (error) {
    process.emitWarning(`This process is not traced: ${String(error)}`, { type: "BotanuWarning" });
  }
}
