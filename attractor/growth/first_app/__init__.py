"""The first files of the repository of an app: settings, growth plates, suite and packages."""
