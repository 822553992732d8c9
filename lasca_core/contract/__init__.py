"""What plugins promise and may rely on: hook specifications, specs, protocols, values, errors."""
