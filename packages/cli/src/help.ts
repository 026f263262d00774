// What `--help` says.

export const HELP = `botanu: receives, stores, shows and checks runs on your machine

  botanu dev [-- <command> …]    receive OTLP/HTTP, store it and show it live; with a command, run it with OTEL_* set
  botanu runs                    the newest runs
  botanu run [<id>|latest]       one run as a tree over all of its traces; any beginning or end of the id will do
  botanu coverage                which services carry the run on their spans, which do not, why, and what to do
  botanu tail                    spans as they arrive

dev
  --port N           port to listen on (4318; 0 takes a free one)
  --host ADDRESS     loopback address to listen on (127.0.0.1)
  --max-spans N      spans kept (500000); the oldest runs go first
  --max-bytes N      bytes kept (536870912)
runs
  --workflow NAME  --customer ID  --since 2h  --limit N (20)
run
  --all              do not fold repeated spans
coverage
  --run ID|latest    one run only
  --since 15m        only traces that arrived since
  --fail-under N     exit with 1 when fewer than N percent of the spans carry the run
tail
  --workflow NAME  --customer ID  --errors
  -n, --lines N      lines to begin with (10)
  --no-follow        do not wait for more
all
  --db FILE          the store (BOTANU_DB, else botanu/runs.db in your state folder)
  --json             for programs; one value per line where it is a stream
  --help  --version

exit codes: 0 fine, 1 a finding, 2 wrong usage or no store. "dev -- <command>" ends with the command's own.
`;
