"""The pages of the desk: one file a noun, all drawn from the read model."""
