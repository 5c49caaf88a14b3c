"""The evidence log: entry store, Merkle tree, checkpoints, export pack, offline verifier.

`docs/spec/checkpoint.md` and `docs/spec/bundle.md` say what is on disk and in a pack; `gateway.log.verify` checks a pack alone,
without this package.
"""
