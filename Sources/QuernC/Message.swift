import CQuern
import CThreads

/// The message of the calling thread, which `quern_last_error` returns.
enum Message {
  /// Stores a text, without its end if it is too long.
  static func set(_ text: String) {
    guard let target = quern_thread_message() else { return }
    var text = text
    text.withUTF8 { bytes in
      var count = min(bytes.count, Int(QUERN_MESSAGE_CAPACITY) - 1)
      // Characters are stored whole.
      while count > 0, count < bytes.count, bytes[count] & 0xC0 == 0x80 { count -= 1 }
      for index in 0..<count { target[index] = CChar(bitPattern: bytes[index]) }
      target[count] = 0
    }
  }
}

/// What a function of the interface throws: a status and its message.
struct Failure: Error {
  let status: quern_status
  let message: String

  init(_ status: quern_status, _ message: String) { (self.status, self.message) = (status, message) }

  static func invalid(_ message: String) -> Failure { Failure(QUERN_ERROR_INVALID_ARGUMENT, message) }
}

/// The status of `body`, whose error is stored as the message of the calling thread.
func status(_ body: () throws(Failure) -> Void) -> quern_status {
  do throws(Failure) {
    try body()
    return QUERN_OK
  } catch {
    Message.set(error.message)
    return error.status
  }
}
