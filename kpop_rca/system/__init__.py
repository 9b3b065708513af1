"""The machine: files written whole, locks, parallel work, devices, fonts, what is said while something runs."""
