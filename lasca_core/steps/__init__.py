"""What happens between plugins: media, windows, normalisation, wording, labels and pairs."""
