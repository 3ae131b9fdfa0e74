/// Classes and functions that no checkpoint needs and that run commands, code or file operations if a pickle calls them
/// when Python loads it: those of published attacks, and those that the scanners picklescan and fickling list.
enum HostileGlobals {
  /// Whether `module.name` is one of them.
  ///
  /// - Parameters:
  ///   - module: such as "torch.hub".
  ///   - name: such as "load", or a path of attributes such as "Class.method".
  static func contains(module: String, name: String) -> Bool {
    let parts = module.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    var path = ""
    for part in parts {
      path += path.isEmpty ? part : ".\(part)"
      if modules.contains(path) { return true }
    }
    if functions[module]?.contains(name) == true { return true }
    if module == "builtins" || module == "__builtin__" { return !isHarmlessBuiltin(name) }
    // A path of attributes that leads from its module to another one, or to private attributes.
    let attributes = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    return attributes.count > 1 && attributes.contains { modules.contains($0) || $0.hasPrefix("_") || $0.isEmpty }
  }

  private static let modules: Set<String> = [
    // Processes, the operating system and the interpreter.
    "os", "posix", "nt", "sys", "subprocess", "_posixsubprocess", "commands", "popen2", "pty", "signal", "platform",
    "multiprocessing", "concurrent", "asyncio", "threading", "_thread", "ctypes", "_ctypes", "cffi", "gc", "site",
    // Files and the network.
    "shutil", "tempfile", "fileinput", "socket", "_socket", "socketserver", "ssl", "http", "httplib", "urllib",
    "urllib2", "requests", "aiohttp", "ftplib", "smtplib", "poplib", "imaplib", "telnetlib", "xmlrpc", "webbrowser",
    // Loading and running code.
    "importlib", "_frozen_importlib", "_frozen_importlib_external", "imp", "pkgutil", "runpy", "zipimport", "code",
    "codeop", "pdb", "bdb", "trace", "timeit", "profile", "cProfile", "doctest", "pydoc", "inspect", "dis", "marshal",
    "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "pip", "setuptools", "distutils", "venv",
    "ensurepip", "idlelib", "lib2to3", "sqlite3",
    // Parts of PyTorch and NumPy.
    "torch.hub", "torch.package", "torch.jit", "torch.utils.cpp_extension", "torch.utils.bottleneck",
    "torch.utils._config_module", "torch.utils.data.datapipes", "torch.fx",
    "numpy.testing", "numpy.f2py", "numpy.distutils", "numpy.ctypeslib",
  ]

  private static let functions: [String: Set<String>] = [
    "torch": ["load", "save", "compile", "hub", "package", "jit", "ops", "classes", "from_file"],
    "torch.serialization": ["load", "save", "_load", "_legacy_load", "default_restore_location"],
    "joblib": ["load"],
    "numpy": ["load", "save", "fromfile", "memmap", "loadtxt", "genfromtxt", "fromregex", "apply_along_axis"],
    "operator": ["attrgetter", "methodcaller", "itemgetter", "call"],
    "_operator": ["attrgetter", "methodcaller", "itemgetter", "call"],
    "functools": ["reduce", "singledispatch"],
    "types": ["FunctionType", "CodeType", "LambdaType", "MethodType", "ModuleType"],
    "io": ["open", "FileIO", "open_code"],
    "_io": ["open", "FileIO", "open_code"],
    "logging.config": ["listen", "dictConfig", "fileConfig"],
  ]

  private static let harmlessBuiltins: Set<String> = [
    "set", "frozenset", "bytearray", "bytes", "complex", "slice", "range", "xrange", "list", "dict", "tuple", "int",
    "long", "float", "bool", "str", "unicode", "object", "type", "len", "print", "sum", "min", "max", "abs", "sorted",
    "reversed", "enumerate", "zip", "round", "any", "all", "repr", "hash", "id", "iter", "isinstance", "issubclass",
    "property", "staticmethod", "classmethod", "super",
  ]

  /// Whether a builtin is a type, a function that only computes, or an exception.
  private static func isHarmlessBuiltin(_ name: String) -> Bool {
    harmlessBuiltins.contains(name)
      || !name.contains(".") && (name.hasSuffix("Error") || ["Ellipsis", "NotImplemented"].contains(name))
  }
}
