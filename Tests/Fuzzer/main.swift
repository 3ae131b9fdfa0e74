// quern-fuzzer TARGET [libFuzzer's options and files]: fuzzes one target.
// quern-fuzzer list: prints the names of all targets, each with its limit of bytes and the patterns of its seeds.
// quern-fuzzer words TARGET: prints the target's dictionary in libFuzzer's syntax.
import CLibFuzzer
import FuzzTargets
import Glibc

func fail(_ message: String) -> Never {
  let line = Array("quern-fuzzer: \(message)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(64)
}

func target(_ name: String) -> FuzzTarget {
  guard let target = FuzzTarget.all.first(where: { $0.name == name }) else { fail("there is no target '\(name)'") }
  return target
}

let arguments = CommandLine.arguments
guard arguments.count > 1 else { fail("name a target; 'quern-fuzzer list' prints them") }
switch arguments[1] {
case "list":
  for target in FuzzTarget.all { print(([target.name, "\(target.byteLimit)"] + target.seeds).joined(separator: "\t")) }
case "words":
  guard arguments.count == 3 else { fail("name one target") }
  for word in target(arguments[2]).words {
    print("\"" + word.utf8.map { "\\x" + String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() + "\"")
  }
default: exit(Fuzzing.run(target(arguments[1]), options: [arguments[0]] + arguments.dropFirst(2)))
}
