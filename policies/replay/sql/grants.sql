-- What the application role may do with replays: a result is written once, samples are never changed.
GRANT SELECT, INSERT, UPDATE ON policies_replay TO :"app";
GRANT SELECT, INSERT ON policies_replay_sample TO :"app";
