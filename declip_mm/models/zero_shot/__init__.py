"""Names for pixels and regions from dense features, without training."""
