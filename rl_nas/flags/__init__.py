"""absl flags, and the recipes (*.cfg) that come with rl_nas."""
