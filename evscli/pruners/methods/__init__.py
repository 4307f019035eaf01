"""The methods that come with evs, one file for each."""
