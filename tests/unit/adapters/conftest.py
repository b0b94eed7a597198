from hypothesis import settings

# Machines are slow at times; that is no fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
