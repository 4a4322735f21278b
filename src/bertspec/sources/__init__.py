"""Where models and data come from: a mirror folder, what is installed, the hub; in this order."""
