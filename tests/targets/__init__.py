"""All targets under the same contract."""
