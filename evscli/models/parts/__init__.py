"""What several families are made of: attention, packing, pixels, rules, sizes and prompts."""
