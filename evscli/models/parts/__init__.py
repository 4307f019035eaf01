"""Parts that several families share: attention, packing, pixels, rules, sizes and prompts."""
